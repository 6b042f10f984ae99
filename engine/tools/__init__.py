"""Functions that the model may call: a set of them (`Tools`), and what runs their calls in a session (`ToolRunner`).

Needs the extra `tools`, which brings pydantic, jsonschema and docstring-parser; they are loaded with the first tool.
"""

from engine.counting import ToolStatistics
from engine.tools.call import CallReport, Deferred, ToolCall, ToolContext
from engine.tools.host import ToolHost
from engine.tools.registry import Tools
from engine.tools.runner import ToolRunner
from engine.tools.tool import Tool, ToolSettings

__all__ = [
    "CallReport",
    "Deferred",
    "Tool",
    "ToolCall",
    "ToolContext",
    "ToolHost",
    "ToolRunner",
    "ToolSettings",
    "ToolStatistics",
    "Tools",
]
