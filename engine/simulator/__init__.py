"""A Realtime server in this process, for tests, demos and measurements: no network, no key, the same every time."""

from engine.simulator.calls import SimulatedCall
from engine.simulator.ear import TranscriptionRefused
from engine.simulator.ledger import Lane, Message, SessionLedger
from engine.simulator.mcp import McpError, McpServer, McpTool
from engine.simulator.responder import (
    Call,
    Fail,
    Incomplete,
    Interpreted,
    Interpreter,
    Interpreting,
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
from engine.simulator.scripted_interpreter import Translation
from engine.simulator.server import Simulator, serve, serve_forever
from engine.simulator.settings import INSTANT, Pace, SimulatorSettings

__all__ = [
    "INSTANT",
    "Call",
    "Fail",
    "Incomplete",
    "Interpreted",
    "Interpreter",
    "Interpreting",
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
    "SimulatedCall",
    "Simulator",
    "SimulatorSettings",
    "SpeechDetector",
    "TranscriptionRefused",
    "Translation",
    "Turn",
    "Unheard",
    "load_script",
    "serve",
    "serve_forever",
]
