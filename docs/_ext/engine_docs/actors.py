"""`actor-diagram`: the tasks of a session, the plain objects between them, and the channels that join them."""

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from engine_docs.svg import Drawing


class ActorDiagram(SphinxDirective):
    """Takes no arguments."""

    def run(self) -> list[nodes.Node]:
        drawing = Drawing(880, 392, "The tasks of a session and the channels between them", "actors")
        drawing.box((0, 20), (120, 360), ["application", "your tasks"], "outside")
        drawing.box((760, 20), (120, 360), ["transport", "the socket"], "outside")

        drawing.box((225, 30), (130, 56), ["audio pump", "joins, encodes"], "task")
        drawing.box((420, 36), (120, 44), ["audio lane"], "channel", radius=22)
        drawing.box((420, 116), (120, 44), ["control lane"], "channel", radius=22)
        drawing.box((600, 56), (116, 84), ["sender", "writes"], "task")
        drawing.arrow((120, 58), (225, 58))
        drawing.text((172, 50), ["send_audio"])
        drawing.arrow((355, 58), (420, 58))
        drawing.arrow((540, 58), (600, 78))
        drawing.arrow((540, 138), (600, 118))
        drawing.arrow((716, 98), (760, 98))

        drawing.box((225, 176), (315, 64), ["conversation", "turns, gate, history: a plain object"], "object")
        drawing.arrow((120, 208), (225, 208))
        drawing.text((172, 200), ["send"])
        drawing.arrow((480, 176), (480, 160))
        drawing.text((392, 162), ["transmit"])
        drawing.box((600, 180), (116, 84), ["receiver", "reads, decodes"], "task")
        drawing.arrow((760, 222), (716, 222))
        drawing.arrow((600, 208), (540, 208))
        drawing.text((570, 200), ["events"])

        drawing.box((225, 296), (130, 56), ["inbox", "bytes, bounded"], "channel", radius=28)
        drawing.arrow((290, 240), (290, 296))
        drawing.text((300, 273), ["deliver, purge"], anchor="start")
        drawing.arrow((225, 324), (120, 324))
        drawing.text((172, 316), ["receive"])
        drawing.box((420, 296), (120, 56), ["watchdog", "deadlines"], "task")
        drawing.arrow((480, 296), (480, 240))
        drawing.text((490, 273), ["tick"], anchor="start")

        drawing.box((600, 296), (116, 56), ["liveness", "pings"], "task")
        drawing.arrow((716, 324), (760, 324))
        drawing.arrow((600, 310), (540, 240))
        drawing.text((562, 289), ["arrived"], anchor="end")
        return [drawing.node()]
