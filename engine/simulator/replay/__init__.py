"""A server that plays a recording again: it sends what was sent, when the client has done what came before it."""

from engine.simulator.replay.differences import Difference
from engine.simulator.replay.plan import Ending, Pace, Plan, Recorded
from engine.simulator.replay.server import ReplayServer, serve_replay

__all__ = ["Difference", "Ending", "Pace", "Plan", "Recorded", "ReplayServer", "serve_replay"]
