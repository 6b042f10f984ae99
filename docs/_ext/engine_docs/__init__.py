"""What the documentation draws and lists from the code itself, so that it can't fall behind it."""

from sphinx.application import Sphinx
from sphinx.domains.python import PyObject

from engine_docs import actors, docstrings, events, layers, limits, names, states


def setup(app: Sphinx) -> dict[str, bool]:
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
    app.add_directive("limit-table", limits.LimitTable)
    app.add_directive("public-names", names.PublicNames)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
