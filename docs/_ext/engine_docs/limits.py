"""`limit-table`: every bound of `engine.limits`, or of the modules named, with its value and the words beside it."""

import ast
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from engine import limits

HEAD = ["| name | value | why |", "|---|---|---|"]
_SECTION = re.compile(r"# --- (.+?) -+$")
_MIB = 2**20
_KIB = 2**10


class LimitTable(SphinxDirective):
    """Takes modules whose bounds belong to one subject; `engine.limits` when there are none."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        modules = [import_module(name) for name in self.arguments[0].split()] if self.arguments else [limits]
        lines = [] if modules == [limits] else HEAD
        for module in modules:
            path = Path(str(module.__file__))
            self.env.note_dependency(str(path))
            lines = [*lines, as_markdown(path.read_text("utf-8"), module)]
        return self.parse_text_to_nodes("\n".join(lines))


def as_markdown(source: str, module: ModuleType) -> str:
    sections = {row: found[1] for row, line in enumerate(source.splitlines(), 1) if (found := _SECTION.match(line))}
    lines: list[str] = []
    waiting: list[str] = []
    for node in ast.parse(source).body:
        for row in [row for row in sections if row < node.lineno]:
            title = sections.pop(row).capitalize()
            if module is limits:
                lines += ["", f"## {title}", "", *HEAD]
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_bound(node.target.id, module):
            waiting.append(node.target.id)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and waiting:
            names = "<br>".join(f"`{name}`" for name in waiting)
            values = "<br>".join(shown(name, getattr(module, name)) for name in waiting)
            lines.append(f"| {names} | {values} | {' '.join(str(node.value.value).split())} |")
            waiting = []
    return "\n".join(lines)


def is_bound(name: str, module: ModuleType) -> bool:
    return name.isupper() and not name.startswith("_") and isinstance(getattr(module, name), (int, float))


def shown(name: str, value: float) -> str:
    if name.endswith("_BYTES") and value % _MIB == 0:
        return f"{value // _MIB}&nbsp;MiB"
    if name.endswith("_BYTES") and value % _KIB == 0:
        return f"{value // _KIB}&nbsp;KiB"
    unit = {"BYTES": "&nbsp;bytes", "MS": "&nbsp;ms", "S": "&nbsp;s", "HZ": "&nbsp;Hz"}.get(name.rsplit("_", 1)[-1], "")
    return f"{value:,g}{unit}" if value < 1e6 else f"{value:,}{unit}"
