"""Fuzz target: what reads messages. Whatever comes is an event, which stays what it is, or a `RemoteViolation`."""

from contextlib import suppress

from engine.errors import RemoteViolation, UnsupportedContent
from engine.wire.codec import (
    decode_client,
    decode_server,
    decode_translation_client,
    decode_translation_server,
    encode,
    event_type,
    to_object,
)
from engine.wire.record import misfit_keys, unknown_keys

DECODERS = (decode_server, decode_client, decode_translation_server, decode_translation_client)

TOLD_MAX_CHARS = 1_000
"""An error tells where and what, and repeats no message: whoever logs it must not fill a disk."""


def check_codec(data, decoders=DECODERS):
    """Read a message by each decoder, as bytes and as text.

    Raises:
        AssertionError: Something came out that should not.
    """
    texts = [data] if isinstance(data, str) else [data, *as_text(data)]
    for decode in decoders:
        outcomes = [_read(decode, text) for text in texts]
        assert len(set(map(type, outcomes))) == 1, f"read as {outcomes}"


def as_text(data):
    """Give bytes as the text that a text frame has, which is UTF-8."""
    with suppress(UnicodeDecodeError):
        yield data.decode()


def _read(decode, text):
    try:
        event = decode(text)
    except RemoteViolation as violation:
        outcome = violation
    else:
        _check(decode, event)
        return event
    assert len(str(outcome)) <= TOLD_MAX_CHARS, f"tells {len(str(outcome))} characters"
    assert outcome.__context__ is None, "holds on to the message"
    return outcome


def _check(decode, event):
    assert isinstance(event_type(event), str)
    for keys in (unknown_keys(event), misfit_keys(event)):
        assert all(isinstance(key, str) for key in keys)
    try:
        again = encode(event)
    except UnsupportedContent:
        return
    assert to_object(decode(again)) == to_object(event), "comes back as another event"
