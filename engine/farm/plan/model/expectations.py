"""What is expected of a session, judged after it; `turn` counts the model's turns from 1, and -1 is the last."""

import re
from collections.abc import Mapping
from typing import Any, Literal

import attrs

from engine.errors import ConfigError
from engine.farm.plan import forms
from engine.farm.plan.checks import mapping, number, one_of, text, which_turn, written_as
from engine.farm.plan.model.steps import STEP_MAX_S
from engine.farm.plan.model.values import Json, of_numbers


@attrs.frozen(kw_only=True)
class Contains:
    """The agent's words contain a text, upper and lower case alike. Without `turn`, those of any turn."""

    contains: str = attrs.field(validator=written_as("expect.", forms.visible, forms.VISIBLE))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))


@attrs.frozen(kw_only=True)
class Matches:
    """A regular expression is found in the agent's words. Without `turn`, in those of any turn."""

    matches: str = attrs.field(validator=written_as("expect.", re.compile, "a regular expression"))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))


@attrs.frozen(kw_only=True)
class WordErrorRate:
    """Words differ from a reference by at most a share.

    Attributes:
        reference: What should have been said or heard.
        at_most: Share of the reference's words, as 0.2.
        of: `heard` for how the service understood the caller, `agent` for what it said.
        turn: Which; all turns together without.
    """

    reference: str = attrs.field(validator=written_as("expect.", forms.spoken, forms.SPOKEN))
    at_most: float = attrs.field(validator=number("expect.", 0, 1, "(a share, as 0.2)"))
    of: Literal["heard", "agent"] = attrs.field(default="heard", validator=one_of("expect.", "heard", "agent"))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class ToolCalled:
    """A tool was called, with at least these arguments."""

    tool_called: str = attrs.field(validator=text("expect.", empty=False))
    arguments: Json = attrs.field(factory=dict, validator=mapping("expect."))


@attrs.frozen(kw_only=True)
class FirstAudioWithin:
    """The first audio of each turn (or of one) came within so long after the caller was through."""

    first_audio_within_ms: float = attrs.field(validator=number("expect.", 1, STEP_MAX_S * 1000, "ms"))
    turn: int | None = attrs.field(default=None, validator=which_turn("expect."))
    from_values: Json = attrs.field(factory=dict, validator=of_numbers)


@attrs.frozen(kw_only=True)
class NoError:
    """Neither the service nor a tool reported an error, and no connection was lost."""

    no_error: bool = attrs.field(default=True, validator=one_of("expect.", True))


@attrs.frozen(kw_only=True)
class JsonAnswer:
    """The last answer's words are JSON, and fit a JSON Schema where one is given."""

    json_answer: Json | bool = attrs.field(default=True)

    @json_answer.validator
    def _check(self, _: Any, value: Any) -> None:
        if value is not True and not isinstance(value, Mapping):
            raise ConfigError("expect.json_answer", value, "true, or a JSON Schema")


Expectation = Contains | Matches | WordErrorRate | ToolCalled | FirstAudioWithin | NoError | JsonAnswer
