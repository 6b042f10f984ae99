"""The turns of a call as its result tells them: the session's turn log, with words, tools and what was meant."""

import contextlib
from collections.abc import Iterable, Mapping, Sequence

import attrs
import orjson

from engine.audio.pcm import PCM_RATE_HZ
from engine.errors import ConfigError
from engine.farm.caller.ear import Ear
from engine.farm.caller.meaning import BEGAN_BY_ITSELF, Uttered, is_forgotten, turns_of
from engine.farm.caller.toolbox import WatchedTools
from engine.farm.caller.wording import whole_text, word_error_rate
from engine.farm.job import ToolUse, TurnResult
from engine.metering.records import ResponseRecord, TurnRecord
from engine.session import Session
from engine.wire.items import FunctionCallOutputItem

TEXT_MAX_CHARS = 20_000
"""What a result keeps of one text: an answer, arguments, a result. An answer of 4,096 tokens has about 16,000."""


@attrs.frozen
class Telling:
    """What turns are told from.

    Attributes:
        began_at: Clock time of the call's begin, in s.
        ear: What was heard.
        uttered: What the caller did.
        tools: What they did.
        now: Clock time.
        hung_up_at: When the caller hung up, in s; None where it did not.
    """

    began_at: float
    ear: Ear
    uttered: Sequence[Uttered]
    tools: WatchedTools
    now: float
    hung_up_at: float | None = None

    def ms(self, at: float) -> float:
        """Give a clock time as ms since the call's begin."""
        return round((at - self.began_at) * 1000, 3)


def turn_results(session: Session, telling: Telling, after: int = 0) -> tuple[TurnResult, ...]:
    """Tell all turns so far, from the one after this number on."""
    records = session.turns
    new = [record for record in records if record.number > after]
    outputs = _outputs(session) if any(record.tools for record in new) else {}
    meant = _meant(records, telling.uttered)
    heard = {record.number: _heard(record, telling.ear) for record in records}
    sounded = telling.ear.heard.heard_by_response(telling.now)
    results = []
    for record in new:
        result = _result(record, telling, outputs, sounded)
        result = attrs.evolve(result, heard=heard[record.number])
        if record.number in meant:
            uttered, numbers = meant[record.number]
            result = _with_utterance(result, uttered, [heard[number] for number in numbers], telling)
        results.append(result)
    return tuple(results)


def unheard_turns(session: Session, telling: Telling) -> tuple[TurnResult, ...]:
    """Tell of what the caller did and the service never took for a turn; they are numbered after all others."""
    records = session.turns
    found = zip(telling.uttered, turns_of(records, telling.uttered), strict=True)
    missed = [uttered for uttered, numbers in found if not numbers and not is_forgotten(uttered, records)]
    number = records[-1].number if records else 0
    return tuple(_unheard(uttered, number + place, telling) for place, uttered in enumerate(missed, 1))


def _unheard(uttered: Uttered, number: int, telling: Telling) -> TurnResult:
    through = None if uttered.through_at is None else telling.ms(uttered.through_at)
    began = telling.ms(uttered.began_at)
    return TurnResult(number=number, said=cut(uttered.said), began_at_ms=began, asked_at_ms=through)


def _meant(records: Sequence[TurnRecord], uttered: Sequence[Uttered]) -> dict[int, tuple[list[Uttered], Sequence[int]]]:
    """Find what the plan had the caller do for each turn that it began with, and all turns that this made."""
    found: dict[int, tuple[list[Uttered], Sequence[int]]] = {}
    for one, numbers in zip(uttered, turns_of(records, uttered), strict=True):
        if numbers:
            found.setdefault(numbers[0], ([], numbers))[0].append(one)
    return found


def _with_utterance(
    result: TurnResult, uttered: Sequence[Uttered], heard: Sequence[str | None], telling: Telling
) -> TurnResult:
    words, known = [each for each in heard if each is not None], uttered[0].words
    rate = None
    if known is not None and words:
        with contextlib.suppress(ConfigError):  # Without jiwer it is not known.
            rate = word_error_rate(known, " ".join(words))
    said = cut("\n".join(each.said for each in uttered))
    return attrs.evolve(result, said=said, began_at_ms=telling.ms(uttered[0].began_at), word_error_rate=rate)


def _result(record: TurnRecord, telling: Telling, outputs: Mapping[str, str], sounded: Mapping[str, int]) -> TurnResult:
    ear, last = telling.ear, record.responses[-1] if record.responses else None
    end, asked_at = record.response_end_at, None if record.began in BEGAN_BY_ITSELF else record.asked_at
    awaited = attrs.evolve(record, asked_at=asked_at)
    return TurnResult(
        number=record.number,
        began=record.began,
        answer=_answer(record, ear),
        status=_status(last, telling.hung_up_at),
        began_at_ms=telling.ms(record.began_at),
        asked_at_ms=None if asked_at is None else telling.ms(asked_at),
        time_to_first_text_ms=awaited.time_to_first_text_ms,
        time_to_first_audio_ms=awaited.time_to_first_audio_ms,
        time_to_first_audio_heard_ms=awaited.time_to_first_audio_heard_ms,
        interruption_latency_ms=record.interruption_latency_ms,
        response_ms=None if end is None or asked_at is None else max(0.0, (end - asked_at) * 1000),
        audio_ms=round(ear.received_ms(record.response_ids), 3),
        heard_ms=round(sum(sounded.get(each, 0) for each in record.response_ids) * 1000 / PCM_RATE_HZ, 3),
        interrupted=record.interrupted_at is not None,
        tools=tuple(_tool_uses(record, telling, outputs)),
        tokens=record.tokens.total,
    )


def _status(last: ResponseRecord | None, hung_up_at: float | None) -> str:
    if last is None:
        return "unanswered"
    cut_off = hung_up_at is not None and (last.done_at is None or last.done_at >= hung_up_at)
    return "cancelled" if cut_off and last.status in {"in_progress", "lost"} else last.status


def _answer(record: TurnRecord, ear: Ear) -> str:
    items = (item for response in record.responses for item in response.item_ids)
    texts = (ear.words[item].text for item in items if item in ear.words)
    return cut(" ".join(text for text in texts if text))


def _heard(record: TurnRecord, ear: Ear) -> str | None:
    """Give what the service understood: of speech that two connections heard, the last one's words."""
    if record.began not in {"speech", "push_to_talk"}:
        return None
    known = (ear.words[item] for item in reversed(record.input_item_ids) if item in ear.words)
    utterance = next(known, None)
    return None if utterance is None else cut(utterance.text)


def _tool_uses(record: TurnRecord, telling: Telling, outputs: Mapping[str, str]) -> Iterable[ToolUse]:
    for tool in record.tools:
        called = tool.called_at if tool.called_at is not None else record.began_at
        yield ToolUse(
            name=tool.name or "",
            arguments=cut(telling.ear.arguments.get(tool.call_id, "")),
            result=cut(outputs.get(tool.call_id, "")),
            at_ms=telling.ms(called),
            duration_ms=tool.duration_ms,
            failed=tool.failed or tool.call_id in telling.tools.failed,
        )


def _outputs(session: Session) -> dict[str, str]:
    """Give what the model read of each call's result."""
    items = (each.item for each in session.history)
    return {item.call_id: _plain(item.output) for item in items if isinstance(item, FunctionCallOutputItem)}


def _plain(output: str) -> str:
    """Give a result's words: the engine sends them as the JSON text of a list of blocks."""
    try:
        blocks = orjson.loads(output)
    except orjson.JSONDecodeError:
        return output
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return output
    return "\n".join(_block(block) for block in blocks)


def _block(block: Mapping[str, object]) -> str:
    text = block.get("text")
    return text if isinstance(text, str) else orjson.dumps(block.get("json", block)).decode()


def cut(text: str) -> str:
    """Keep so much of a text as a result may hold, and nothing that is no text, as a byte of a file's name."""
    text = whole_text(text)
    return text if len(text) <= TEXT_MAX_CHARS else f"{text[: TEXT_MAX_CHARS - 1]}…"
