"""`public-names`: what `from engine import ...` gives, and where each is described."""

import importlib

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import engine

HOMES = ("events", "session", "facade", "config", "errors", "raw", "wire.session")
GROUPS = {
    "session": "A session",
    "facade": "The facade",
    "config": "Settings",
    "wire.session": "Settings",
    "events": "Events",
    "errors": "Errors",
    "raw": "Wire events",
}


class PublicNames(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        modules = {home: importlib.import_module(f"engine.{home}") for home in HOMES}
        grouped: dict[str, list[str]] = {title: [] for title in GROUPS.values()}
        for name in engine.__all__:
            thing = getattr(engine, name)
            homes = [home for home, module in modules.items() if getattr(module, name, None) is thing]
            own = [home for home in homes if getattr(thing, "__module__", "") == f"engine.{home}"]
            home = (own or homes or [""])[0]
            if home:
                grouped[GROUPS[home]].append(_row(name, home, thing))
            else:
                grouped["Settings"].append(f"| `{name}` | See [](limits.md). |")
        lines: list[str] = []
        for title, rows in grouped.items():
            lines += ["", f"**{title}**", "", "| name | what it is |", "|---|---|", *rows]
        return self.parse_text_to_nodes("\n".join(lines))


def _row(name: str, home: str, thing: object) -> str:
    if not callable(thing):  # a union of classes
        way = "goes in" if "Input" in name else "comes out"
        return f"| `{name}` | Any event that {way}: a type for annotations. |"
    told = " ".join((thing.__doc__ or "").split("\n\n")[0].split())
    return f"| {{py:obj}}`{name} <engine.{home}.{name}>` | {told} |"
