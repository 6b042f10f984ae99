"""Sessions: conversations over one connection, from `open_session` to their end."""

from engine.session.opening import open_session
from engine.session.session import Session
from engine.session.statistics import SessionStatistics
from engine.session.supervisor import Spawn

__all__ = ["Session", "SessionStatistics", "Spawn", "open_session"]
