"""`event-table`: the events of the wire, from their classes."""

from itertools import groupby

import attrs
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from engine.wire.client import CLIENT_CLASSES
from engine.wire.server import SERVER_CLASSES

TABLES = {"client": CLIENT_CLASSES, "server": SERVER_CLASSES}
UNTOLD = {"extra", "event_id"}
"""Fields that every event has."""


class EventTable(SphinxDirective):
    """Its argument says who sends the events: `client` or `server`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        classes = TABLES[self.arguments[0]]
        lines: list[str] = []
        for family, group in groupby(sorted(classes.items()), key=lambda entry: entry[0].split(".")[0]):
            lines += ["", f"**{family}**", "", "| event | fields | what it says |", "|---|---|---|"]
            lines += [_row(tag, cls) for tag, cls in group]
        return self.parse_text_to_nodes("\n".join(lines))


def _row(tag: str, cls: type) -> str:
    named = [f"`{field.name}`" for field in attrs.fields(cls) if field.name not in UNTOLD]
    told = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
    return f"| `{tag}`<br>`{cls.__name__}` | {', '.join(named) or '-'} | {told} |"
