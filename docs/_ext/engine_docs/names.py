"""`public-names`: what `from engine import ...` gives, and where each is described."""

import importlib

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import engine

HOMES = ("session", "facade", "config", "events", "errors", "raw", "wire.session")
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
    documented = isinstance(thing, type) or callable(thing)
    link = f"{{py:obj}}`{name} <engine.{home}.{name}>`" if documented else f"`{name}`"
    told = " ".join((thing.__doc__ or "").split("\n\n")[0].split()) if documented else "Any of the events of its kind."
    return f"| {link} | {told} |"
