"""What the documentation draws and lists from the code itself, so that it can't fall behind it."""

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

from engine_docs import actors, api_table, commands, docstrings, events, layers, limits, names, states


def setup(app: Sphinx) -> dict[str, int]:
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    # Before napoleon, which takes a colon inside code for the end of a type.
    app.connect("autodoc-process-docstring", docstrings.to_rst, priority=400)
    app.add_directive("state-diagram", states.StateDiagram)
    app.add_directive("actor-diagram", actors.ActorDiagram)
    app.add_directive("layer-diagram", layers.LayerDiagram)
    app.add_directive("layer-table", layers.LayerTable)
    app.add_directive("event-table", events.EventTable)
    app.add_directive("api-table", api_table.ApiTable)
    app.add_directive("limit-table", limits.LimitTable)
    app.add_directive("command-help", commands.CommandHelp)
    app.add_directive("exit-codes", commands.ExitCodes)
    app.add_directive("public-names", names.PublicNames)
    # A change here makes every page anew.
    newest = max(path.stat().st_mtime_ns for path in Path(__file__).parent.glob("*.py"))
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": newest}
