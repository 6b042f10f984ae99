"""Results as the model reads them: whatever a tool returns as text or JSON, and every failure in words."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from engine.audio.extras import load
from engine.tools import bounds
from engine.tools.call import Blocks

NOTHING: Final = "done"
"""What the model reads of a tool that returns None."""

_STATUSES: Final = ("success", "error")
_NAME_CHARS: Final = 64
_NAMES: Final = 32


@attrs.frozen
class Unusable:
    """A tool's return value that can't be a result.

    Attributes:
        why: For the model.
        exception: What the conversion raised.
    """

    why: str
    exception: Exception | None = None


def content_of(value: Any, max_bytes: int) -> Blocks | Unusable:
    """Turn what a tool returned into a result's content.

    Args:
        value: Text is given as it is, None as `NOTHING`. A contract's result (`{"status", "content"}`) is taken over.
            Everything else is written as JSON by pydantic: its models, dataclasses, attrs classes, dates, enumerations,
            sets and the like; a float that is no number as null.
        max_bytes: The bound.
    """
    value = NOTHING if value is None else value
    if isinstance(value, str):
        # A lone half of a surrogate pair, as in a file's name, can't be sent.
        text = value.encode("utf-8", "replace").decode() if not value.isascii() else value
        return _fitting([{"text": text}], len(text.encode()), max_bytes)
    if isinstance(value, Iterator):
        return Unusable(f"it returned {_kind(value)}, which is no JSON")
    return _json(value, max_bytes)


def _json(value: Any, max_bytes: int) -> Blocks | Unusable:
    try:
        text = load("pydantic_core", "tools").to_json(value, inf_nan_mode="null", fallback=_attrs_only)
        if len(text) > max_bytes:
            return _too_long(len(text), max_bytes)
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Unusable(f"it returned {_kind(value)}, which can't be written as JSON", error)
    blocks = _blocks_of(plain)
    return [{"json": plain}] if blocks is None else blocks


def _attrs_only(value: Any) -> Any:
    if attrs.has(type(value)):
        return attrs.asdict(value)
    raise ValueError(f"{_kind(value)} is no JSON")


def _blocks_of(plain: Any) -> Blocks | None:
    """Take over the content of a contract's result, as tools made for other frameworks return it."""
    if not isinstance(plain, dict) or plain.get("status") not in _STATUSES:
        return None
    content = plain.get("content")
    whole = isinstance(content, list) and all(
        isinstance(each, dict) and each.keys() & {"text", "json"} for each in content
    )
    return content if whole else None


def _fitting(blocks: Blocks, size: int, max_bytes: int) -> Blocks | Unusable:
    return blocks if size <= max_bytes else _too_long(size, max_bytes)


def _too_long(size: int, max_bytes: int) -> Unusable:
    return Unusable(f"its result has {size:,} bytes, over the bound of {max_bytes:,}. Ask for less at a time")


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


# --- failures -------------------------------------------------------------------------------------------------


def _cut(text: str, chars: int = bounds.SHOWN_CHARS) -> str:
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= chars else text[: chars - 1] + "…"


def _error(text: str) -> Blocks:
    return [{"text": f"Error: {text}"}]


def unusable(name: str, what: Unusable) -> Blocks:
    """The tool ran, and its result can't be sent."""
    return _error(f"{name} ran, but {what.why}.")


def raised(name: str, error: BaseException) -> Blocks:
    """The tool raised: class and text of what it raised, or of the first thing in a group."""
    error = first_of(error)
    said = _cut(_words_of(error))
    return _error(f"{name} failed with {type(error).__name__}" + (f": {said}" if said else "."))


def first_of(error: BaseException) -> BaseException:
    """Give an exception, or the first one in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _words_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the application's class may do anything
        return ""


def timed_out(name: str, limit_s: float) -> Blocks:
    """The tool took too long."""
    return _error(f"{name} gave no result within {limit_s:g} s and was stopped. It may or may not have had an effect.")


def interrupted(name: str) -> Blocks:
    """The user cut in, and the tool was cancelled."""
    return _error(f"{name} was interrupted by the user and stopped. Call it again only if it is still wanted.")


def unknown(name: str, known: Collection[str]) -> Blocks:
    """The model invented the tool."""
    names = ", ".join(list(known)[:_NAMES]) or "none"
    return _error(f"there is no tool called {_cut(name, _NAME_CHARS)!r}. The tools are: {names}.")


def misfit(name: str, problems: Sequence[str]) -> Blocks:
    """The arguments break the schema."""
    return _error(
        f"the arguments of {name} do not fit: {_cut('; '.join(problems), 2000)}. Call it again with arguments that do."
    )


def declined(name: str, reason: str) -> Blocks:
    """Approval was not given."""
    return _error(f"{name} was not run: it was declined" + (f": {_cut(reason)}" if reason else "."))


def too_many(name: str, bound: int) -> Blocks:
    """Too many calls at once."""
    return _error(f"{name} was not run: {bound} calls are waiting already. Call it again when they are done.")


def pending(name: str, note: str) -> Blocks:
    """The answer comes later."""
    return [
        {
            "text": _cut(note)
            or f"{name} has been started and is not done yet. Its result will be told to you; do not call it again."
        }
    ]


def as_text(blocks: Blocks) -> str:
    """Give content as one text, for a message."""
    return "\n".join(_block_text(each) for each in blocks)


def _block_text(block: Mapping[str, Any]) -> str:
    return str(block["text"]) if "text" in block else json.dumps(block["json"], ensure_ascii=False)
