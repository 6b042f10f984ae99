"""What waits for the disk, and how it gets there: in a thread, a batch at a time."""

from collections.abc import Sequence
from typing import Final

import attrs

from engine.recording.files import RecordingFile
from engine.recording.format import Direction, End, Link, end_line, link_line, message_line
from engine.recording.reduction import Reduction

_END_BYTES: Final = 128
"""Room in the file for the mark of its end."""


@attrs.frozen
class Message:
    """A message that waits for the disk.

    Attributes:
        direction: Who sent it.
        message: As it stood on the wire, but for audio that was thinned.
        at: Time of Trio's clock.
        link: Number of its connection.
        thinned: Its audio was left out.
    """

    direction: Direction
    message: str | bytes = attrs.field(repr=False)
    at: float
    link: int = 1
    thinned: bool = False


Waiting = Message | Link | End


@attrs.define
class Batch:
    """Lines on their way to the file, in a thread of their own.

    Attributes:
        file: Where to.
        lines: What is to be written.
        began: What Trio's clock said at second 0.
        reduction: What is left out.
        max_bytes: Largest file.
        messages: Messages written.
        full: True once the file is as large as it may be; its end is marked then.
    """

    file: RecordingFile
    lines: Sequence[Waiting]
    began: float
    reduction: Reduction
    max_bytes: int
    messages: int = 0
    full: bool = False

    def write(self) -> None:
        """Write the lines that there is room for.

        Raises:
            OSError: They can't be written.
        """
        for line in self.lines:
            self._add(line)
            if self.full:
                break
        self.file.flush()

    def _add(self, line: Waiting) -> None:
        text = self._text(line)
        if not self._fits(text):
            self.full = True
            self.file.add(end_line(End(reason="max_bytes", at_s=self._at_s(line))))
            return
        self.file.add(text)
        self.messages += isinstance(line, Message)

    def _fits(self, text: bytes) -> bool:
        if self.file.may_reach(text) + _END_BYTES <= self.max_bytes:
            return True
        self.file.flush()  # compressed, it may take less than it was counted for
        return self.file.may_reach(text) + _END_BYTES <= self.max_bytes

    def _at_s(self, line: Waiting) -> float:
        return line.at - self.began if isinstance(line, Message) else line.at_s or 0.0

    def _text(self, line: Waiting) -> bytes:
        at_s = self._at_s(line)
        if isinstance(line, Message):
            about = self.reduction, line.link
            return message_line(line.direction, line.message, at_s, *about, thinned=line.thinned)
        return link_line(line, self.reduction) if isinstance(line, Link) else end_line(line)
