"""A few shapes as SVG text. Colours come from the page's style sheet, so light and dark themes both fit."""

from collections.abc import Iterable, Sequence
from html import escape

from docutils import nodes

Point = tuple[float, float]

LINE_PX = 17
"""From one line of text to the next."""

_HEAD = """<svg class="diagram" role="img" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<title>{title}</title>
<defs><marker id="{key}-tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8"
orient="auto-start-reverse"><path class="tip" d="M0,0 L10,5 L0,10 z"/></marker></defs>"""


class Drawing:
    """Shapes, in the order in which they are painted.

    Args:
        width: In px.
        height: In px.
        title: What a reader hears who can't see it.
        key: Distinguishes the drawing from others on the page.
    """

    def __init__(self, width: float, height: float, title: str, key: str) -> None:
        self._key = key
        self._width = width
        self._shapes = [_HEAD.format(width=width, height=height, title=escape(title), key=key)]

    def text(self, at: Point, lines: Iterable[str], kind: str = "label", anchor: str = "middle") -> None:
        """Write lines downwards from a first baseline."""
        for row, line in enumerate(lines):
            x, y = at[0], at[1] + row * LINE_PX
            self._shapes.append(
                f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(line)}</text>'
            )

    def box(self, at: Point, size: Point, lines: Sequence[str], kind: str, radius: float = 6) -> None:
        """Draw a box around lines of text; the first is its name."""
        (x, y), (width, height) = at, size
        self._shapes.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius:g}"/>'
        )
        first = y + height / 2 + 5 - (len(lines) - 1) * LINE_PX / 2
        self.text((x + width / 2, first), lines[:1], "name")
        self.text((x + width / 2, first + LINE_PX), lines[1:])

    def dot(self, at: Point, radius: float = 5) -> None:
        """Draw a filled circle."""
        self._shapes.append(f'<circle class="dot" cx="{at[0]:g}" cy="{at[1]:g}" r="{radius:g}"/>')

    def arrow(self, *points: Point, both: bool = False) -> None:
        """Draw straight lines from point to point, with a tip at the end."""
        path = "M" + " L".join(f"{x:g},{y:g}" for x, y in points)
        self._arrow(path, both=both)

    def arc(self, start: Point, end: Point, rise: float) -> None:
        """Draw an arc whose middle is `rise` above its ends; below them when negative."""
        # The middle of such a curve is at three quarters of its handles' height.
        handle = rise * 4 / 3
        path = f"M{start[0]:g},{start[1]:g} C{start[0]:g},{start[1] - handle:g} {end[0]:g},{end[1] - handle:g}"
        self._arrow(f"{path} {end[0]:g},{end[1]:g}", both=False)

    def _arrow(self, path: str, *, both: bool) -> None:
        tip = f"url(#{self._key}-tip)"
        start = f' marker-start="{tip}"' if both else ""
        self._shapes.append(f'<path class="arrow" d="{path}" marker-end="{tip}"{start}/>')

    def node(self) -> nodes.raw:
        """Give the drawing as a part of the page."""
        body = "\n".join([*self._shapes, "</svg>"])
        return nodes.raw("", f'<figure style="max-width: {self._width:g}px">{body}</figure>', format="html")
