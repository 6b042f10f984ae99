"""`api-table`: a part of the table of the whole API, which `engine_api` holds."""

from docutils import nodes
from engine_api import TABLES, served, target
from sphinx.util.docutils import SphinxDirective


class ApiTable(SphinxDirective):
    """Its argument is one of `TABLES`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        names, rows = TABLES[self.arguments[0]]
        lines = ["| the service | the engine |", "|---|---|"]
        for name in names:
            ours = ", ".join(f"{{py:obj}}`{each} <{target(each)}>`" for each in served(rows, name).split(", "))
            lines.append(f"| `{name}` | {ours} |")
        return self.parse_text_to_nodes("\n".join(lines))
