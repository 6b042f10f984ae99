"""`state-diagram`: one of the tables of `engine.protocol.states`, drawn and listed."""

from collections.abc import Mapping
from enum import Enum
from itertools import groupby
from typing import Any

from docutils import nodes
from engine_docs.svg import LINE_PX, Drawing
from sphinx.util.docutils import SphinxDirective

from engine.protocol import states

BOX = (132, 46)
GAP = 158
MARGIN = 44
RISE = 52
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


def draw(name: str, table: Table) -> nodes.raw:
    members = list(type(next(iter(table))[0]))
    edges = _edges(table)
    above = max((b - a for a, b, _ in edges if b > a + 1), default=0)
    below = max((a - b for a, b, _ in edges if b < a), default=0)
    most = max(len(labels) for *_, labels in edges)
    top = MARGIN / 2 + (RISE * above / 1.4 + most * LINE_PX if above else LINE_PX)
    width = 2 * MARGIN + len(members) * BOX[0] + (len(members) - 1) * GAP
    height = top + BOX[1] + MARGIN / 2 + (RISE * below / 1.4 + most * LINE_PX if below else 0)
    drawing = Drawing(width, height, f"States and transitions of {name}", name.lower())

    left = [MARGIN + place * (BOX[0] + GAP) for place in range(len(members))]
    final = [member for member in members if not any(state is member for state, _ in table)]
    drawing.dot((12, top + BOX[1] / 2))
    drawing.arrow((12, top + BOX[1] / 2), (left[0], top + BOX[1] / 2))
    for place, member in enumerate(members):
        drawing.box((left[place], top), BOX, [words(member)], "end" if member in final else "state", radius=23)
    for start, end, labels in edges:
        _draw_edge(drawing, left, top, start, end, labels)
    return drawing.node()


def _edges(table: Table) -> list[tuple[int, int, list[str]]]:
    """Join the transitions between the same two states."""
    moves = sorted((state.value - 1, after.value - 1, signal.value, words(signal)) for (state, signal), after in table.items())
    return [(*pair, [label for *_, label in group]) for pair, group in groupby(moves, key=lambda move: move[:2])]


def _draw_edge(drawing: Drawing, left: list[float], top: float, start: int, end: int, labels: list[str]) -> None:
    width, height = BOX
    middle = (left[start] + left[end] + width) / 2
    if end == start + 1:
        y = top + height / 2
        drawing.arrow((left[start] + width, y), (left[end], y))
        drawing.text((middle, y - 8 - (len(labels) - 1) * LINE_PX), labels)
    elif end > start:
        rise = RISE * (end - start) / 1.4
        drawing.arc((left[start] + width * 0.65, top), (left[end] + width * 0.35, top), rise)
        drawing.text((middle, top - rise - 8 - (len(labels) - 1) * LINE_PX), labels)
    else:
        rise = RISE * (start - end) / 1.4
        foot = top + height
        inset = 0.62 if start - end == 1 else 0.3
        drawing.arc((left[start] + width * (1 - inset), foot), (left[end] + width * inset, foot), -rise)
        drawing.text((middle, foot + rise + LINE_PX), labels)


def as_markdown(table: Table) -> str:
    """List the table, for readers who can't see the drawing and for those who want each cell."""
    members: list[Any] = list(type(next(iter(table))[0]))
    signals: list[Any] = list(type(next(iter(table))[1]))
    rows = ["| signal | " + " | ".join(f"in *{words(member)}*" for member in members) + " |"]
    rows.append("|---" * (len(members) + 1) + "|")
    for signal in signals:
        cells = [table.get((member, signal)) for member in members]
        rows.append(f"| {words(signal)} | " + " | ".join(words(cell) if cell else "–" for cell in cells) + " |")
    return "\n".join(rows)
