"""OpenTelemetry: spans and metrics of a session, where the program has set it up; nothing at all elsewhere."""

from engine.telemetry.session_meter import SessionMeter
from engine.telemetry.sink import Telemetry, open_telemetry

__all__ = ["SessionMeter", "Telemetry", "open_telemetry"]
