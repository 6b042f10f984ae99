"""What one session will take, about: its time, its tokens and its money, from what its caller says."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from engine.config.session import SessionConfig
from engine.farm.plan import sounds
from engine.farm.plan.jobs import choices, values_of
from engine.farm.plan.model import CannedTool, Plan, Push, Say, Scenario, Step, ToolCalled, Type, Wait
from engine.farm.plan.rendering import render
from engine.farm.plan.settings import ANY_KEY, session_config
from engine.metering.cost import session_cost
from engine.metering.prices import Prices
from engine.metering.tokens import Tokens, Transcribed
from engine.protocol.token_estimate import AUDIO_MS_PER_TOKEN, text_tokens

ANSWER_S: Final = 4.0
"""How long the agent's spoken answer lasts: ten answers recorded from the service have 15 to 136 audio tokens, 73 in
the middle, which is 3.7 s; rather too much than too little. What the instructions ask for may be longer."""

ANSWER_AUDIO_MS_PER_TOKEN: Final = 50
"""Of what the agent says (OpenAI, realtime costs guide)."""

ANSWER_TEXT_TOKENS: Final = 25
"""Words beside a spoken answer: 9 to 29 tokens in the same recordings."""

WRITTEN_TOKENS: Final = 60
"""A written answer, or a call with its result: 13 to 28 tokens in recordings of short ones."""

ANSWER_WAIT_S: Final = 1.3
"""From the caller's last word to the answer's first: half a second of silence that ends a turn, and the model."""

CONNECT_S: Final = 0.5
"""Until a session is open."""

SAMPLED: Final = 200
"""Sessions of a scenario that are reckoned; more are taken as these are in the mean."""


@attrs.frozen(kw_only=True)
class SessionEstimate:
    """One session, about; the mean of several.

    Attributes:
        length_s: From start to end.
        said_s: Audio that the caller says.
        answers: Of the agent.
        tokens: That the service counts, without what it may have in its cache: rather too many.
        usd: What the service asks for them; None where the model has no known price.
    """

    length_s: float
    said_s: float
    answers: float
    tokens: float
    usd: float | None


def session_estimate(plan: Plan, scenario: Scenario) -> SessionEstimate:
    """Reckon a scenario's session, in the mean over its rows and choices.

    Args:
        plan: Checked.
        scenario: One of its.

    Raises:
        ConfigError: A file can't be read any more.
    """
    reckoned = [_reckon(plan, render(scenario, values)) for values in _sampled(scenario)]
    prices = [one.usd for one in reckoned]
    return SessionEstimate(
        length_s=min(_mean(one.length_s for one in reckoned), scenario.deadline_s),
        said_s=_mean(one.said_s for one in reckoned),
        answers=_mean(one.answers for one in reckoned),
        tokens=_mean(one.tokens for one in reckoned),
        usd=None if None in prices else _mean(price for price in prices if price is not None),
    )


def _sampled(scenario: Scenario) -> Iterator[Mapping[str, Any]]:
    """Take sessions at even distances."""
    all_ = len(scenario.rows) * choices(scenario)
    count = min(all_, SAMPLED)
    return (values_of(scenario, place * all_ // count) for place in range(count))


def _mean(values: Iterator[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _reckon(plan: Plan, scenario: Scenario) -> SessionEstimate:
    config = session_config(plan, scenario, key=ANY_KEY)
    talk = _Talk(config, _told_first(config, scenario))
    for index, step in enumerate(scenario.turns):
        following = scenario.turns[index + 1] if index + 1 < len(scenario.turns) else None
        heard_ms = getattr(following, "interrupt_after_ms", None)
        talk.step(step, Path(plan.folder), None if heard_ms is None else heard_ms / 1000)
    for _ in {one.tool_called for one in scenario.expect if isinstance(one, ToolCalled)}:
        talk.call()
    return talk.estimate()


def _told_first(config: SessionConfig, scenario: Scenario) -> int:
    """Count the tokens that each response reads before the talk: instructions and tools."""
    tools = [
        f"{tool.name} {tool.description} {orjson.dumps(tool.parameters or {}).decode()}"
        for tool in scenario.tools
        if isinstance(tool, CannedTool)
    ]
    others = WRITTEN_TOKENS * (len(scenario.tools) - len(tools))
    history = str(list(config.history)) if config.history else ""
    return text_tokens(config.instructions) + sum(map(text_tokens, tools)) + others + text_tokens(history)


class _Talk:
    """Adds up one session.

    Args:
        config: Its settings.
        told_first: Tokens that each response reads before the talk.
    """

    def __init__(self, config: SessionConfig, told_first: int) -> None:
        self._config = config
        self._speaks = "audio" in config.output_modalities
        self._text, self._audio = told_first, 0
        self._tokens = Tokens()
        self._heard_s = self._said_s = 0.0
        self._length_s = CONNECT_S
        self._answers = 0

    def step(self, step: Step, folder: Path, cut_after_s: float | None) -> None:
        match step:
            case Say(say=say):
                self._say(sounds.sound_s(folder / say) if sounds.is_sound(say) else sounds.words_s(say), heard=True)
            case Push(push=keys):
                self._say(sounds.keys_s(keys), heard=False)
            case Type(type=words):
                self._text += text_tokens(words)
            case Wait(wait_s=wait_s):
                self._length_s += wait_s
            case _:
                self._length_s += step.silence_ms / 1000
        if isinstance(step, (Say, Push, Type)):
            self._answer(cut_after_s, awaited=step.await_answer)

    def call(self) -> None:
        """Add a call: a response that ends in it; its result is read by the next one."""
        self._respond(WRITTEN_TOKENS, 0)
        self._length_s += ANSWER_WAIT_S

    def estimate(self) -> SessionEstimate:
        model = getattr(self._config.transcription, "model", None)
        heard = Tokens(input_audio=_audio_tokens(self._heard_s, AUDIO_MS_PER_TOKEN))
        is_timed = (found := Prices.builtin().of(model)) is not None and found.audio_minute is not None
        transcribed = Transcribed(seconds=self._heard_s) if is_timed else Transcribed(tokens=heard)
        cost = session_cost(
            self._tokens,
            transcribed if self._config.transcription is not None else Transcribed(),
            Prices.builtin(),
            model=self._config.model,
            transcription_model=model,
        )
        total: Decimal | None = cost.total if cost is not None and cost.is_complete else None
        return SessionEstimate(
            length_s=self._length_s,
            said_s=self._said_s,
            answers=self._answers,
            tokens=self._tokens.total,
            usd=None if total is None else float(total),
        )

    def _say(self, length_s: float, *, heard: bool) -> None:
        self._length_s += length_s
        self._said_s += length_s
        self._heard_s += length_s if heard else 0.0
        self._audio += _audio_tokens(length_s, AUDIO_MS_PER_TOKEN)

    def _answer(self, cut_after_s: float | None, *, awaited: bool) -> None:
        self._answers += 1
        most = self._config.max_output_tokens
        spoken = _audio_tokens(ANSWER_S, ANSWER_AUDIO_MS_PER_TOKEN) if self._speaks else 0
        written = ANSWER_TEXT_TOKENS if self._speaks else WRITTEN_TOKENS
        if isinstance(most, int):
            written, spoken = min(written, most), min(spoken, max(most - written, 0))
        self._respond(written, spoken)
        if awaited:
            whole_s = spoken * ANSWER_AUDIO_MS_PER_TOKEN / 1000
            self._length_s += ANSWER_WAIT_S + (whole_s if cut_after_s is None else min(cut_after_s, whole_s))

    def _respond(self, written: int, spoken: int) -> None:
        """Let the model read the whole talk, and add to it."""
        self._tokens += Tokens(input_text=self._text, input_audio=self._audio, output_text=written, output_audio=spoken)
        self._text += written
        self._audio += spoken


def _audio_tokens(length_s: float, ms_per_token: float) -> int:
    return round(length_s * 1000 / ms_per_token)
