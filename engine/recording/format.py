"""How a recording is written: a header, then one JSON object a line, messages and marks in their order."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, Literal, cast, get_args

import attrs
import orjson
import pybase64

from engine.errors import shown_url
from engine.recording.reduction import AudioKept, Reduction
from engine.secrets import NOT_SHOWN

Direction = Literal["client", "server"]
"""Who sent it."""

NESTED_MAX: Final = 100
"""How deep an event may be nested that is read as one; the service's are at most 20 deep. Python recurses over it."""

VERSION: Final = 2
"""Of the format; a reader takes lines with keys that it does not know, and refuses a later version."""

_READ: Final = (1, VERSION)
"""Versions that are read. In the first, connections talked one after another, each from a mark of its number on."""

Did = Literal["opened", "took_over", "closed", "failed"]
"""What became of a connection: it could be written and read, it carried the talk from here on, it was closed or lost,
it could not be had."""


_TOO_DEEP: Final = f"{NOT_SHOWN}: nested too deep"


class BrokenLine(ValueError):
    """A line that is none of a recording; says what is wrong with it."""


@attrs.frozen(kw_only=True)
class Header:
    """The first line: what was recorded.

    Attributes:
        engine: Version of the engine that wrote it.
        began: Wall time of second 0, as ISO 8601.
        model: The model that was asked for.
        url: Where the session went, without its query.
        audio: What was kept of audio.
    """

    engine: str | None = None
    began: str | None = None
    model: str | None = None
    url: str | None = attrs.field(default=None, repr=lambda url: repr(url and shown_url(url)))
    audio: AudioKept = "whole"


@attrs.frozen(kw_only=True)
class Entry:
    """One message.

    Attributes:
        direction: Who sent it.
        at_s: Seconds since the recording's start; None in a recording without times.
        event: It, where it is a JSON object; audio that was left out is told by `audio_bytes` beside it.
        text: It, where it is other text.
        data: It, where it is a binary message.
        link: Number of the connection that it went over, from 1.
        thinned: Its audio was left out because the disk was too slow.
        aside: That connection did not carry the talk: it was being prepared, or another one had taken over.
    """

    direction: Direction
    at_s: float | None = None
    event: dict[str, Any] | None = attrs.field(default=None, repr=False)
    text: str | None = attrs.field(default=None, repr=False)
    data: bytes | None = attrs.field(default=None, repr=False)
    link: int = 1
    thinned: bool = False
    aside: bool = False

    @property
    def type(self) -> str:
        """The event's type; empty where it has none."""
        kind = (self.event or {}).get("type")
        return kind if isinstance(kind, str) else ""


@attrs.frozen(kw_only=True)
class Loss:
    """How a connection was lost, or could not be had.

    Attributes:
        code: Close code; None when it broke without one.
        reason: The words beside it.
        status: Of HTTP, where the handshake was refused.
    """

    code: int | None = None
    reason: str | None = attrs.field(default=None, repr=False)
    status: int | None = None


@attrs.frozen(kw_only=True)
class Link:
    """A mark: what became of a connection.

    Attributes:
        number: Of the connection, from 1.
        at_s: Seconds since the recording's start.
        did: What; None in the first version, where all that follows went over it.
        loss: How it was lost; None when it was not.
    """

    number: int
    at_s: float | None = None
    did: Did | None = None
    loss: Loss | None = None


@attrs.frozen(kw_only=True)
class LinkRecord:
    """One connection of a session. Times are in seconds since the recording's start.

    Attributes:
        number: From 1, in the order in which they were tried.
        opened_s: When it could be written and read; None where that was before the recording, or never.
        took_over_s: When it began to carry the talk; None where it never did, or where there are no times.
        closed_s: When it was closed or lost, or could not be had; None where that is not told.
        failed: True when it could not be had.
        loss: How it was lost, or refused; None when it was closed by the recorded client.
    """

    number: int
    opened_s: float | None = None
    took_over_s: float | None = None
    closed_s: float | None = None
    failed: bool = False
    loss: Loss | None = None


@attrs.frozen(kw_only=True)
class End:
    """A mark: nothing more was recorded.

    Attributes:
        reason: Why, as in `client_disconnect`, `stopped`, `max_bytes` or `disk_too_slow`.
        at_s: Seconds since the recording's start.
        lost: True when the server ended the connection, or it broke.
        code: Close code of a lost connection; None when it broke without one.
    """

    reason: str
    at_s: float | None = None
    lost: bool = False
    code: int | None = None


Line = Header | Entry | Link | End


@attrs.frozen(kw_only=True, slots=False)
class Recording:
    """A recording as it was read.

    Attributes:
        name: Of the file.
        header: None where there was none, as in recordings of other programs.
        entries: The messages, in their order.
        end: None where it just stops, as after a crash.
        torn: True when the last line was not whole and was left out.
        links: The session's connections, by their numbers.
    """

    name: str
    header: Header | None = None
    entries: Sequence[Entry] = attrs.field(default=(), repr=False)
    end: End | None = None
    torn: bool = False
    links: Sequence[LinkRecord] = ()

    @cached_property
    def timed(self) -> bool:
        """Tell whether every message has its time; without, only the order is known."""
        return bool(self.entries) and all(entry.at_s is not None for entry in self.entries)

    @property
    def length_s(self) -> float | None:
        """Seconds from the first message to the last; None without times."""
        if not self.timed:
            return None
        first, last = self.entries[0].at_s, self.entries[-1].at_s
        return cast("float", last) - cast("float", first)


# --- writing ---------------------------------------------------------------------------------------------------------


def header_line(header: Header, reduction: Reduction) -> bytes:
    """Write the first line."""
    fields = attrs.asdict(header) | {"url": None if header.url is None else shown_url(header.url)}
    words = {key: reduction.masked(text) for key, text in fields.items() if text is not None}
    return _line({"recording": VERSION, **words})


def message_line(
    direction: Direction,
    message: str | bytes,
    at_s: float,
    reduction: Reduction,
    link: int = 1,
    *,
    thinned: bool = False,
) -> bytes:
    """Write a message; what can't be read is written as the text that it is."""
    head: dict[str, Any] = {"at": round(at_s, 6), "dir": direction}
    if link != 1:
        head["link"] = link
    if thinned:
        head["thinned"] = True
    if isinstance(message, bytes):
        return _line(head | reduction.binary(message))
    text = reduction.masked(message)
    event = _object(text)
    if event is None:
        return _line(head | {"text": text.encode(errors="replace").decode()})
    if not reduction.reduce(event) and "\n" not in text and "\r" not in text:
        return _line(head | {"event": orjson.Fragment(text)})  # as it stood on the wire
    try:
        return _line(head | {"event": event})
    except TypeError:
        return _line(head | {"text": _TOO_DEEP})


def without_audio(text: str) -> str:
    """Give a message with how much audio it had in place of its audio; what can't be read as it is."""
    event = _object(text)
    if event is None or not Reduction("none").reduce(event):
        return text
    return orjson.dumps(event).decode()


def link_line(link: Link, reduction: Reduction) -> bytes:
    """Write what became of a connection."""
    fields: dict[str, Any] = {"at": round(link.at_s or 0.0, 6), "link": link.number, "did": link.did}
    if link.loss is not None:
        told = {key: value for key, value in attrs.asdict(link.loss).items() if value is not None}
        fields |= {"lost": True, **{key: _shown(value, reduction) for key, value in told.items()}}
    return _line(fields)


def _shown(value: Any, reduction: Reduction) -> Any:
    return reduction.masked(value).encode(errors="replace").decode() if isinstance(value, str) else value


def end_line(end: End) -> bytes:
    """Write that nothing follows."""
    lost = {"lost": True, "code": end.code} if end.lost else {}
    return _line({"at": round(end.at_s or 0.0, 6), "end": end.reason, **lost})


def _line(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


# --- reading ---------------------------------------------------------------------------------------------------------


def read_line(line: bytes) -> Line | None:
    """Read a line of ours, or of the shape `{"dir": ..., "event": {...}}`. Gives None for a mark that is not known.

    Raises:
        BrokenLine: It is none.
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BrokenLine(f"no JSON ({error.msg})") from None
    if not isinstance(fields, dict):
        raise BrokenLine("no JSON object")
    if "recording" in fields:
        return _header(fields)
    if "dir" in fields:
        if line.count(b"{") + line.count(b"[") > NESTED_MAX and _is_too_deep(fields):
            fields = {**fields, "event": None, "text": _TOO_DEEP}
        return _entry(fields)
    if "link" in fields:
        return _link(fields)
    return _end(fields) if "end" in fields else None


def _is_too_deep(value: Any) -> bool:
    holders = [value]
    for _ in range(NESTED_MAX):
        within = (part for holder in holders for part in (holder.values() if isinstance(holder, dict) else holder))
        holders = [part for part in within if isinstance(part, (dict, list))]
    return bool(holders)


def _header(fields: dict[str, Any]) -> Header:
    if fields["recording"] not in _READ:
        raise BrokenLine(f"format {fields['recording']!r}, and this version of the engine reads up to {VERSION}")
    audio = fields.get("audio")
    return Header(
        engine=_typed(fields, "engine", str),
        began=_typed(fields, "began", str),
        model=_typed(fields, "model", str),
        url=_typed(fields, "url", str),
        audio=audio if audio in ("cut", "none") else "whole",
    )


def _entry(fields: dict[str, Any]) -> Entry:
    if fields["dir"] not in ("client", "server"):
        raise BrokenLine(f"`dir` is {fields['dir']!r}, must be client or server")
    known = [name for name in ("event", "text", "binary") if fields.get(name) is not None]
    if len(known) != 1:
        raise BrokenLine("a message needs one of `event`, `text` and `binary`")
    return Entry(
        direction=fields["dir"],
        at_s=_at(fields),
        event=_typed(fields, "event", dict),
        text=_typed(fields, "text", str),
        data=_data(fields),
        link=_typed(fields, "link", int, 1),
        thinned=fields.get("thinned") is True,
    )


def _link(fields: dict[str, Any]) -> Link | None:
    did = fields.get("did")
    if did is not None and did not in get_args(Did):
        return None
    loss = Loss(
        code=_typed(fields, "code", int),
        reason=_typed(fields, "reason", str),
        status=_typed(fields, "status", int),
    )
    number = _typed(fields, "link", int, 1)
    return Link(number=number, at_s=_at(fields), did=did, loss=loss if fields.get("lost") is True else None)


def _end(fields: dict[str, Any]) -> End:
    return End(
        reason=_typed(fields, "end", str, ""),
        at_s=_at(fields),
        lost=fields.get("lost") is True,
        code=_typed(fields, "code", int),
    )


def _at(fields: dict[str, Any]) -> float | None:
    at = fields.get("at")
    if at is None or (isinstance(at, (int, float)) and not isinstance(at, bool)):
        return at
    raise BrokenLine(f"`at` is {type(at).__name__}, must be a number of seconds")


def _data(fields: dict[str, Any]) -> bytes | None:
    text = _typed(fields, "binary", str)
    try:
        return None if text is None else pybase64.b64decode(text, validate=True)
    except ValueError:
        raise BrokenLine("`binary` is no base64") from None


def _typed(fields: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = fields.get(name, default)
    if value is None or isinstance(value, kind):
        return default if value is None else value
    raise BrokenLine(f"`{name}` is {type(value).__name__}, must be {kind.__name__}")
