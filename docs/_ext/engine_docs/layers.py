"""`layer-diagram` and `layer-table`: which room of the code may import which, from the test that holds it."""

import ast
import importlib.util
from pathlib import Path
from typing import Any

import attrs
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from engine_docs.svg import Drawing

RULES = Path(__file__).parents[3] / "tests" / "test_layers.py"
NEEDED = {"Room", "rooms", "WORDS", "SIDE", "ROOMS", *(f"L{number}" for number in range(10))}
SIDE = {"simulator", "testing"}
LEFT, STEP, SPACE = 160, 50, 8
TITLES = {
    0: "errors and bounds",
    1: "words",
    2: "order, doors",
    3: "tasks",
    4: "a session",
    5: "ways in",
    6: "the public names",
    7: "programs",
}


def read_rooms() -> dict[str, Any]:
    """Take the table out of the test without running the test's other imports."""
    names: dict[str, Any] = {"attrs": attrs}
    for node in ast.parse(RULES.read_text("utf-8")).body:
        if _defined(node) in NEEDED:
            exec(compile(ast.Module([node], []), str(RULES), "exec"), names)
    return {name: room for name, room in names["ROOMS"].items() if purpose(name) is not None}


def _defined(node: ast.stmt) -> str | None:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return node.name
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else None


def purpose(room: str) -> str | None:
    """Give a room's first sentence, or None when there is no such room yet."""
    spec = importlib.util.find_spec("engine" if room == "__init__" else f"engine.{room}")
    if spec is None or not spec.origin:
        return None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text("utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


class LayerDiagram(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RULES))
        found = read_rooms()
        layers = sorted({room.layer for room in found.values()}, reverse=True)
        rows = [[name for name, room in found.items() if room.layer == layer] for layer in layers]
        width = LEFT + max(sum(_width(name) + SPACE for name in row) for row in rows)
        drawing = Drawing(width, STEP * len(layers) + 8, "The layers of the code, the highest first", "layers")
        for place, (layer, row) in enumerate(zip(layers, rows, strict=True)):
            x, y = float(LEFT), 4 + place * STEP
            drawing.text((0, y + 25), [f"L{layer}  {TITLES.get(layer, '')}"], anchor="start")
            for name in row:
                kind = "pure" if found[name].pure else "channel" if name in SIDE else "object"
                drawing.box((x, y), (_width(name), 40), [_shown(name)], kind)
                x += _width(name) + SPACE
        return [drawing.node()]


def _shown(room: str) -> str:
    return "engine" if room == "__init__" else room


def _width(room: str) -> float:
    return 24 + 7.6 * len(_shown(room))


class LayerTable(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RULES))
        found = read_rooms()
        rows = ["| layer | room | what it is for | may import | pure |", "|---|---|---|---|---|"]
        for name, room in sorted(found.items(), key=lambda entry: entry[1].layer):
            may = ", ".join(sorted(room.may_import & found.keys())) or "nothing"
            rows.append(f"| {room.layer} | `{_shown(name)}` | {purpose(name)} | {may} | {'yes' if room.pure else ''} |")
        return self.parse_text_to_nodes("\n".join(rows))
