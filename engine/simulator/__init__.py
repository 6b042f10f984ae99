"""A Realtime server in this process, for tests, demos and measurements: no network, no key, the same every time."""

from engine.simulator.ear import TranscriptionRefused
from engine.simulator.ledger import Lane, Message, SessionLedger
from engine.simulator.mcp import McpError, McpServer, McpTool
from engine.simulator.responder import (
    Call,
    Fail,
    Incomplete,
    McpCall,
    Part,
    Prompt,
    Responder,
    ResponderFactory,
    Say,
    SpeechDetector,
)
from engine.simulator.script import Script, ScriptedResponder, Turn, Unheard
from engine.simulator.script_file import load_script
from engine.simulator.server import Simulator, serve, serve_forever
from engine.simulator.settings import INSTANT, Pace, SimulatorSettings

__all__ = [
    "INSTANT",
    "Call",
    "Fail",
    "Incomplete",
    "Lane",
    "McpCall",
    "McpError",
    "McpServer",
    "McpTool",
    "Message",
    "Pace",
    "Part",
    "Prompt",
    "Responder",
    "ResponderFactory",
    "Say",
    "Script",
    "ScriptedResponder",
    "SessionLedger",
    "Simulator",
    "SimulatorSettings",
    "SpeechDetector",
    "TranscriptionRefused",
    "Turn",
    "Unheard",
    "load_script",
    "serve",
    "serve_forever",
]
