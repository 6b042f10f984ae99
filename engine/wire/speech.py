"""Reads the message that most messages are: a piece of the model's speech, as the service writes it.

Its shape is fixed, so a look at its head and a check of its audio do what a parser of JSON would, for a third of the
time. Whatever differs in anything, be it right or wrong, is left to `engine.wire.codec`.
"""

import re
from typing import Final, cast

import pybase64

from engine.frozen import unfrozen
from engine.wire.record import NOTHING_EXTRA
from engine.wire.server import ResponseOutputAudioDelta

_ID: Final = r'"([ !#-\[\]-~]*)"'
"""Printable ASCII without quotes and backslashes: in JSON it stands for itself."""

_INDEX: Final = r"(0|[1-9][0-9]{0,8})"

# Most servers put no space after commas and colons, those that write with Python's `json` one.
_HEAD: Final = re.compile(
    rf'\{{"type": ?"response\.output_audio\.delta", ?"event_id": ?{_ID}, ?"response_id": ?{_ID}, ?"item_id": ?{_ID}'
    rf', ?"output_index": ?{_INDEX}, ?"content_index": ?{_INDEX}, ?"delta": ?"'
)

_TAIL: Final = '"}'

_Open: Final = unfrozen(ResponseOutputAudioDelta)


def read_speech(text: str) -> ResponseOutputAudioDelta | None:
    """Read a piece of speech.

    Args:
        text: Any message.

    Returns:
        The event, or None when it is not of that shape, or its audio not plain base64.
    """
    head = _HEAD.match(text)
    if head is None or not text.endswith(_TAIL):
        return None
    delta = text[head.end() : -2]
    try:
        # What is base64 needs no unescaping. To look for that is all, and nothing looks faster.
        pybase64.b64decode(delta, validate=True)
    except ValueError:
        return None
    event = _Open()
    event.event_id, event.response_id, event.item_id, output_index, content_index = head.groups()
    event.output_index = int(output_index)
    event.content_index = int(content_index)
    event.delta = delta
    event.extra = NOTHING_EXTRA
    event.__class__ = ResponseOutputAudioDelta
    return cast("ResponseOutputAudioDelta", event)
