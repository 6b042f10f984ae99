"""`state-diagram`: one of the tables of `engine.protocol.states`, drawn and listed."""

from collections.abc import Mapping
from enum import Enum
from itertools import groupby
from typing import Any

import attrs
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from engine.protocol import states
from engine_docs.svg import LINE_PX, Drawing

BOX = (132, 46)
GAP = 158
MARGIN = 44
RISE = 50
"""How high the arc between neighbours rises; farther states get higher ones."""

Table = Mapping[tuple[Enum, Enum], Enum]


def words(member: Enum) -> str:
    return member.name.lower().replace("_", " ")


class StateDiagram(SphinxDirective):
    """Its argument is the table's name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        table: Table = getattr(states, name)
        self.env.note_dependency(states.__file__)
        return [draw(name, table), *self.parse_text_to_nodes(as_markdown(table))]


@attrs.frozen
class Edge:
    """All transitions from one state to another.

    Attributes:
        start: Place of the first state.
        end: Place of the second.
        labels: Their signals.
    """

    start: int
    end: int
    labels: list[str]

    @property
    def span(self) -> int:
        return abs(self.end - self.start)

    @property
    def is_straight(self) -> bool:
        return self.end == self.start + 1


def draw(name: str, table: Table) -> nodes.raw:
    members = list(type(next(iter(table))[0]))
    edges = _edges(table)
    above = _rises([edge for edge in edges if edge.end > edge.start + 1])
    below = _rises([edge for edge in edges if edge.end < edge.start])
    top = max(above.values(), default=0) + 3 * LINE_PX
    width = 2 * MARGIN + len(members) * BOX[0] + (len(members) - 1) * GAP
    height = top + BOX[1] + max(below.values(), default=0) + 2.5 * LINE_PX
    drawing = Drawing(width, height, f"States and transitions of {name}", name.lower())

    left = [MARGIN + place * (BOX[0] + GAP) for place in range(len(members))]
    drawing.dot((12, top + BOX[1] / 2))
    drawing.arrow((12, top + BOX[1] / 2), (left[0], top + BOX[1] / 2))
    for place, member in enumerate(members):
        final = not any(state is member for state, _ in table)
        drawing.box((left[place], top), BOX, [words(member)], "end" if final else "state", radius=23)
    for edge in edges:
        rise = above.get(edge.span, 0) if edge.end > edge.start else -below[edge.span]
        _draw_edge(drawing, left, top, edge, rise)
    return drawing.node()


def _edges(table: Table) -> list[Edge]:
    """Join the transitions between the same two states."""
    moves = sorted(
        (state.value - 1, after.value - 1, signal.value, words(signal)) for (state, signal), after in table.items()
    )
    groups = groupby(moves, key=lambda move: move[:2])
    return [Edge(*pair, [label for *_, label in group]) for pair, group in groups]


def _rises(edges: list[Edge]) -> dict[int, float]:
    """Give each span's arcs a height that clears the shorter ones and their labels."""
    rises: dict[int, float] = {}
    height = 0.0
    for span, group in groupby(sorted(edges, key=lambda edge: edge.span), key=lambda edge: edge.span):
        rises[span] = height + RISE
        height = rises[span] + LINE_PX * max(len(edge.labels) for edge in group) - LINE_PX
    return rises


def _draw_edge(drawing: Drawing, left: list[float], top: float, edge: Edge, rise: float) -> None:
    width, height = BOX
    start, end = left[edge.start], left[edge.end]
    middle = (start + end + width) / 2
    extra = (len(edge.labels) - 1) * LINE_PX
    if edge.is_straight:
        y = top + height / 2
        drawing.arrow((start + width, y), (end, y))
        drawing.text((middle, y - 8 - extra), edge.labels)
    elif rise > 0:
        drawing.arc((start + width * 0.65, top), (end + width * 0.35, top), rise)
        drawing.text((middle, top - rise - 8 - extra), edge.labels)
    else:
        foot = top + height
        inset = 0.62 if edge.span == 1 else 0.3
        drawing.arc((start + width * (1 - inset), foot), (end + width * inset, foot), rise)
        drawing.text((middle, foot - rise + LINE_PX), edge.labels)


def as_markdown(table: Table) -> str:
    """List the table, for readers who can't see the drawing and for those who want each cell."""
    members: list[Any] = list(type(next(iter(table))[0]))
    signals: list[Any] = list(type(next(iter(table))[1]))
    rows = ["| signal | " + " | ".join(f"in *{words(member)}*" for member in members) + " |"]
    rows.append("|---" * (len(members) + 1) + "|")
    for signal in signals:
        cells = [table.get((member, signal)) for member in members]
        rows.append(f"| {words(signal)} | " + " | ".join(words(cell) if cell else "-" for cell in cells) + " |")
    return "\n".join(rows)
