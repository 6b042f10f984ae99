"""`limit-table`: every bound of `engine.limits`, with its value and the words beside it."""

import ast
import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from engine import limits

_SECTION = re.compile(r"# --- (.+?) -+$")
_MIB = 2**20
_KIB = 2**10


class LimitTable(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        path = Path(limits.__file__)
        self.env.note_dependency(str(path))
        return self.parse_text_to_nodes(as_markdown(path.read_text("utf-8")))


def as_markdown(source: str) -> str:
    sections = {row: found[1] for row, line in enumerate(source.splitlines(), 1) if (found := _SECTION.match(line))}
    lines: list[str] = []
    waiting: list[str] = []
    for node in ast.parse(source).body:
        for row in [row for row in sections if row < node.lineno]:
            lines += ["", f"## {sections.pop(row).capitalize()}", "", "| name | value | why |", "|---|---|---|"]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            waiting.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and waiting:
            names = "<br>".join(f"`{name}`" for name in waiting)
            values = "<br>".join(shown(name) for name in waiting)
            lines.append(f"| {names} | {values} | {' '.join(str(node.value.value).split())} |")
            waiting = []
    return "\n".join(lines)


def shown(name: str) -> str:
    value = getattr(limits, name)
    if name.endswith("_BYTES") and value % _MIB == 0:
        return f"{value // _MIB}&nbsp;MiB"
    if name.endswith("_BYTES") and value % _KIB == 0:
        return f"{value // _KIB}&nbsp;KiB"
    unit = {"BYTES": "&nbsp;bytes", "MS": "&nbsp;ms", "S": "&nbsp;s", "HZ": "&nbsp;Hz"}.get(name.rsplit("_", 1)[-1], "")
    return f"{value:,g}{unit}" if value < 1e6 else f"{value:,}{unit}"
