"""How a session runs: the bounds of each setting, where None stands for none, and what a refusal says."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import limits
from engine.config import EngineSettings, Reconnect
from engine.config.checks import plain
from engine.errors import ConfigError


@attrs.frozen
class Bounds:
    """What a number may be: from, to, unit, and which of whole and None."""

    low: float
    high: float
    unit: str
    whole: bool = False
    none: bool = False

    @property
    def allowed(self) -> str:
        return f"{plain(self.low)} to {plain(self.high)} {self.unit}" + (", or None for none" if self.none else "")


ENGINE = {
    "input_frame_ms": Bounds(20, 200, "ms", whole=True),
    "inbox_max_bytes": Bounds(2**16, 2**40, "bytes", whole=True),
    "message_max_bytes": Bounds(2**10, 2**26, "bytes", whole=True),
    "session_max_s": Bounds(0.001, 86_400, "s"),
    "renew_margin_s": Bounds(0, 3600, "s"),
    "replay_max_tokens": Bounds(0, 10**7, "tokens", whole=True),
    "replay_max_items": Bounds(0, 10**6, "items", whole=True),
    "kept_speech_s": Bounds(0, 600, "s"),
    "connect_deadline_s": Bounds(0.001, 3600, "s"),
    "session_created_deadline_s": Bounds(0.001, 3600, "s", none=True),
    "ping_interval_s": Bounds(0.001, 3600, "s", none=True),
    "ping_deadline_s": Bounds(0.001, 3600, "s"),
    "response_stall_deadline_s": Bounds(0.001, 3600, "s", none=True),
    "idle_deadline_s": Bounds(0.001, 86_400, "s", none=True),
    "reader_deadline_s": Bounds(0.001, 86_400, "s", none=True),
    "response_request_deadline_s": Bounds(0.001, 3600, "s"),
    "request_deadline_s": Bounds(0.001, 3600, "s"),
    "tool_result_deadline_s": Bounds(0.001, 3600, "s"),
    "close_deadline_s": Bounds(0, 60, "s"),
}
RECONNECT = {
    "attempts": Bounds(1, 10_000, "attempts", whole=True),
    "total_s": Bounds(0, 86_400, "s"),
    "first_delay_s": Bounds(0, 3600, "s"),
    "max_delay_s": Bounds(0, 3600, "s"),
    "stable_s": Bounds(0, 3600, "s"),
}
WORDS = {
    "input_overflow": ("wait", "drop_oldest", "fail"),
    "inbox_overflow": ("drop_oldest_audio", "wait", "fail"),
    "on_timeout": ("renew", "raise"),
    "transport": ("auto", "websockets", "trio-websocket"),
}
NUMBERS = [
    *(pytest.param(EngineSettings, "engine.", name, bounds, id=name) for name, bounds in ENGINE.items()),
    *(pytest.param(Reconnect, "engine.reconnect.", name, bounds, id=name) for name, bounds in RECONNECT.items()),
]
each_number = pytest.mark.parametrize(("cls", "path", "name", "bounds"), NUMBERS)


def refusal(cls, name, value) -> ConfigError:
    with pytest.raises(ConfigError) as raised:
        cls(**{name: value})
    return raised.value


def test_the_tables_above_have_every_setting():
    engine = {field.name for field in attrs.fields(EngineSettings)}

    assert engine == {*ENGINE, *WORDS, "fill_silence", "reconnect"}
    assert {field.name for field in attrs.fields(Reconnect)} == set(RECONNECT)


@each_number
def test_a_number_at_its_bounds_is_taken(cls, path, name, bounds):
    for value in (bounds.low, bounds.high):
        assert getattr(cls(**{name: value}), name) == value


@each_number
def test_a_number_past_its_bounds_is_refused_with_field_value_and_what_is_allowed(cls, path, name, bounds):
    step = 1 if bounds.whole else 0.0005
    for value in (bounds.low - step, bounds.high + step, float("nan"), float("inf"), -1):
        error = refusal(cls, name, value)
        assert (error.field, error.allowed) == (path + name, bounds.allowed)
        assert error.value is value
        assert path + name in str(error)
        assert repr(value) in str(error)
        assert bounds.allowed in str(error)


@each_number
def test_what_is_no_number_is_none(cls, path, name, bounds):
    for value in ("7", True, b"7", [7], *([] if bounds.none else [None]), *([7.0] if bounds.whole else [])):
        error = refusal(cls, name, value)
        assert (error.field, error.allowed) == (path + name, bounds.allowed)


@pytest.mark.parametrize("name", [name for name, bounds in ENGINE.items() if bounds.none])
def test_a_deadline_that_can_be_off_is_off_with_none(name):
    assert getattr(EngineSettings(**{name: None}), name) is None


@pytest.mark.parametrize("name", WORDS)
def test_a_policy_is_one_of_its_words(name):
    for word in WORDS[name]:
        assert getattr(EngineSettings(**{name: word}), name) == word
    for wrong in ("other", None, "", [WORDS[name][0]]):
        error = refusal(EngineSettings, name, wrong)
        assert (error.field, error.value) == (f"engine.{name}", wrong)
        assert all(repr(word) in error.allowed for word in WORDS[name])


def test_reconnection_takes_a_policy_or_none():
    policy = Reconnect(attempts=3, total_s=0)

    assert EngineSettings(reconnect=policy).reconnect is policy
    assert EngineSettings(reconnect=None).reconnect is None
    for wrong, shown in ((True, "bool"), ({"attempts": 3}, "dict"), (3, "int")):
        error = refusal(EngineSettings, "reconnect", wrong)
        assert (error.field, error.value) == ("engine.reconnect", shown)
        assert error.allowed == "a Reconnect, or None for none"


def test_sessions_survive_unless_they_are_told_not_to():
    engine = EngineSettings()

    assert (engine.on_timeout, engine.reconnect) == ("renew", Reconnect())
    assert engine.idle_deadline_s is None
    assert engine.renew_margin_s < engine.session_max_s == limits.SESSION_MAX_S


def test_a_policy_of_reconnection_doubles_to_a_bound_within_the_outage():
    policy = Reconnect()

    assert (policy.attempts, policy.total_s) == (limits.RECONNECT_ATTEMPTS, limits.RECONNECT_TOTAL_S)
    assert policy.first_delay_s < policy.max_delay_s < policy.total_s


def test_policies_are_values():
    assert Reconnect(attempts=3) == Reconnect(attempts=3) != Reconnect()
    assert hash(EngineSettings(reconnect=Reconnect(attempts=3))) == hash(
        EngineSettings(reconnect=Reconnect(attempts=3))
    )
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Reconnect().attempts = 3
    with pytest.raises(TypeError):
        Reconnect(3)


@given(
    st.sampled_from(sorted(RECONNECT)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
)
def test_any_value_is_taken_or_refused_as_a_setting(name, value):
    try:
        made = getattr(Reconnect(**{name: value}), name)
    except ConfigError as error:
        made, refused = None, error.field
    else:
        refused = None

    bounds = RECONNECT[name]
    assert refused == f"engine.reconnect.{name}" if made is None else bounds.low <= made <= bounds.high


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (0, "0"),
        (0.001, "0.001"),
        (86_400, "86400"),
        (1e6, "1,000,000"),
        (2**40, "1,099,511,627,776"),
        (1e-6, "0.000001"),
    ],
)
def test_a_bound_is_written_without_an_exponent(bound, words):
    assert plain(bound) == words
