"""What an agent remembers, as the history that a session begins with: nothing in it may keep the talk from going on."""

import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

logger = logging.getLogger(__name__)

Message = Mapping[str, Any]

_SAYABLE: Final = ("text", "json")
_DISPATCH: Final = "tool_dispatch"


def replayable(messages: Sequence[Message] | None, open_calls: Sequence[Mapping[str, Any]] = ()) -> list[Message]:
    """Give of an agent's messages what the service can be told, in order.

    Left out, and counted in a warning, is what it takes no text of: images, documents, reasoning. An agent that notes
    a call twice, when its tool starts and with its result, has it told once. A call whose result the agent has not sent
    yet is told without one: it comes by `send`.

    Args:
        messages: `agent.messages`. They are not changed.
        open_calls: Calls whose results were not sent before a restart, `{"toolUseId", "name", "input"}` each.
    """
    told = _Told(messages or (), {call["toolUseId"] for call in open_calls})
    kept = [message for message in map(told.message, messages or ()) if message is not None]
    kept += [
        {"role": "assistant", "content": [{"toolUse": dict(call)}]}
        for call in open_calls
        if call["toolUseId"] not in told.calls
    ]
    if told.left_out:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(told.left_out.items()))
        logger.warning("the service is not told of all that the agent remembers; left out: %s", kinds)
    return kept


class _Told:
    """What is told of a list of messages.

    Args:
        messages: All of them.
        open_calls: Ids of calls whose results are still to come.
    """

    def __init__(self, messages: Sequence[Message], open_calls: Collection[str]) -> None:
        self.left_out: Counter[str] = Counter()
        self.calls: set[str] = set()
        self._open = open_calls
        self._to_come = Counter(use["toolUseId"] for use in _all(messages, "toolUse") if "toolUseId" in use)
        results = (message for message in messages if not _is_dispatch(message))
        self._answered = {result.get("toolUseId") for result in _all(results, "toolResult")}

    def message(self, message: Message) -> Message | None:
        if not _is_readable(message):
            return message  # Who reads it next says where it is and what is wrong.
        dispatch = _is_dispatch(message)
        blocks = [kept for block in _blocks(message) if (kept := self._block(block, dispatch=dispatch)) is not None]
        return {"role": message.get("role"), "content": blocks} if blocks else None

    def _block(self, block: Mapping[str, Any], *, dispatch: bool) -> Mapping[str, Any] | None:
        if "text" in block:
            return {"text": block["text"]} if block["text"] else None
        if "toolUse" in block:
            return self._call(block["toolUse"])
        if "toolResult" in block:
            return self._result(block["toolResult"], dispatch=dispatch)
        self.left_out.update(block.keys() or ["(empty)"])
        return None

    def _call(self, use: Mapping[str, Any]) -> Mapping[str, Any] | None:
        call_id = use.get("toolUseId")
        self._to_come[call_id] -= 1
        if self._to_come[call_id] > 0:
            return None  # It comes again, with its result.
        self.calls.add(str(call_id))
        return {"toolUse": use}

    def _result(self, result: Mapping[str, Any], *, dispatch: bool) -> Mapping[str, Any] | None:
        call_id = result.get("toolUseId")
        if call_id in self._open or (dispatch and call_id in self._answered):
            return None
        content = result.get("content") or ()
        sayable = [block for block in content if any(kind in block for kind in _SAYABLE)]
        self.left_out.update(kind for block in content if block not in sayable for kind in block)
        return {"toolResult": {**result, "content": sayable}}


def _all(messages: Any, kind: str) -> Iterator[Mapping[str, Any]]:
    return (block[kind] for message in messages for block in _blocks(message) if kind in block)


def _blocks(message: Message) -> Sequence[Mapping[str, Any]]:
    return message["content"] if _is_readable(message) else ()


def _is_readable(message: Any) -> bool:
    blocks = message.get("content") if isinstance(message, Mapping) else None
    return isinstance(blocks, list) and all(isinstance(block, Mapping) for block in blocks)


def _is_dispatch(message: Message) -> bool:
    """An agent notes that a tool has started as if it had given a result."""
    if not _is_readable(message):
        return False
    noted = ((message.get("metadata") or {}).get("custom") or {}).get("bidi") or {}
    return bool(noted.get("kind") == _DISPATCH)
