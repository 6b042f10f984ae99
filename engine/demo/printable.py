"""The words of others, made fit for a terminal: see `engine.printable`."""

from engine.printable import one_line, printable

__all__ = ["one_line", "printable"]
