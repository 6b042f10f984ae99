"""A session's settings, at its opening, at run time and for one response: forms, checks, places on the wire.

Each typed setting is read back by openai-python's own types, which know of no key of ours that is not theirs.
"""

from typing import get_type_hints

import attrs
import pytest
from openai.types.realtime import RealtimeResponseCreateParams, RealtimeSessionCreateRequest
from openai.types.realtime.realtime_session_create_request import RealtimeTruncation
from pydantic import BaseModel, TypeAdapter

from engine.config import ClientSettings, Prompt, RetentionRatio, SessionConfig, Tracing
from engine.config.asked import ASKABLE, METADATA_ID_KEY, asked_to_wire
from engine.config.changes import Changes, Standing, changes_to_wire
from engine.config.settings import SETTINGS
from engine.errors import ConfigError, LocalMisuse
from engine.wire.client import ResponseCreate, SessionUpdate
from engine.wire.codec import encode, load_object, to_object
from engine.wire.items import ItemReference, MessageItem
from engine.wire.session import NoiseReduction, Session, Tool, Transcription, TurnDetection

REASONING = "gpt-realtime-2"
CLIENT = ClientSettings(api_key="test-key", base_url="ws://localhost/v1")
MCP = {"type": "mcp", "server_label": "docs", "server_url": "https://mcp.example", "require_approval": "never"}

GIVEN = {
    "instructions": ("Be brief.", ""),
    "output_modalities": (["audio"], ("text",), "text"),
    "transcription": (
        Transcription(model="gpt-realtime-whisper", delay="low"),
        {"model": "gpt-transcribe", "keywords": ["Trio"], "languages": ["en", "de"], "language": "en", "prompt": ""},
    ),
    "noise_reduction": ("near_field", {"type": "far_field", "strength": 0.5}, NoiseReduction(type="far_field")),
    "turn_detection": (
        {"type": "semantic_vad", "eagerness": "low", "create_response": False, "interrupt_response": True},
        TurnDetection(type="server_vad", threshold=1, prefix_padding_ms=0, silence_duration_ms=9, idle_timeout_ms=5000),
    ),
    "voice": ("marin", {"id": "voice_1"}),
    "speed": (0.25, 1, 1.5),
    "tools": ([], [{"name": "add", "description": "sums", "inputSchema": {"type": "object"}}, MCP]),
    "tool_choice": ("required", {"type": "function", "name": "add"}, {"type": "mcp", "server_label": "docs"}),
    "parallel_tool_calls": (True, False),
    "reasoning_effort": ("minimal", "xhigh"),
    "max_output_tokens": (1, 4096, "inf"),
    "tracing": ("auto", Tracing(workflow_name="w"), {"group_id": "g", "metadata": {"k": 1}}, {}),
    "truncation": (
        "auto",
        "disabled",
        RetentionRatio(ratio=0.8, post_instructions_tokens=5000),
        {"type": "retention_ratio", "retention_ratio": 0, "token_limits": {"post_instructions": 0}},
    ),
    "prompt": (Prompt(id="pmpt_1"), {"id": "pmpt_1", "version": "2", "variables": {"name": "Ann"}}),
    "include": (["item.input_audio_transcription.logprobs"], ()),
}
"""Every setting, in every form."""

EACH = [pytest.param(name, value, id=f"{name}-{i}") for name, values in GIVEN.items() for i, value in enumerate(values)]


def unknown_to_openai(model, path=""):
    """Name the keys that openai-python has no field for."""
    found = [path + key for key in model.model_extra or ()]
    for name in type(model).model_fields:
        value = getattr(model, name)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, BaseModel):
                found += unknown_to_openai(each, f"{path}{name}.")
    return found


def read_back(cls, record):
    """Read a record as openai-python does; give what it has understood."""
    is_session = isinstance(record, Session)
    event = SessionUpdate(session=record) if is_session else ResponseCreate(response=record)
    told = load_object(encode(event))[0]["session" if is_session else "response"]
    model = cls.model_validate(told)
    assert unknown_to_openai(model) == []
    assert model.model_dump(exclude_unset=True, by_alias=True, mode="json") == told
    return model


def config(**given):
    return SessionConfig(client=CLIENT, **given)


STANDING = Standing(model=REASONING)

# --- every setting, everywhere --------------------------------------------------------------------------------------


def test_the_list_above_has_every_setting():
    fields = {field.name for field in attrs.fields(SessionConfig)}

    assert set(GIVEN) == set(SETTINGS)
    assert set(SETTINGS) <= fields
    assert set(get_type_hints(Changes)) == set(SETTINGS), "what an editor offers for session.update"


@pytest.mark.parametrize(("name", "value"), EACH)
def test_a_setting_of_a_new_session_is_understood_by_openais_types(name, value):
    read_back(RealtimeSessionCreateRequest, config(model=REASONING, **{name: value}).to_wire())


@pytest.mark.parametrize(("name", "value"), EACH)
def test_a_change_says_that_setting_alone_and_openais_types_understand_it(name, value):
    change = changes_to_wire({name: value}, STANDING)
    read_back(RealtimeSessionCreateRequest, change)

    told = to_object(change)
    assert told.pop("type") == "realtime"
    (place,) = told.items()
    while place[0] in {"audio", "input", "output"}:
        (place,) = place[1].items()
    assert place[0] == {"reasoning_effort": "reasoning"}.get(name, name)


@pytest.mark.parametrize(("name", "value"), EACH)
def test_a_change_says_what_a_new_session_with_it_says(name, value):
    def leaves(value, path=()):
        if isinstance(value, dict) and value and path[-1:] not in {("prompt",), ("tracing",), ("truncation",)}:
            return {leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))}
        return {(path, repr(value))}

    changed = leaves(to_object(changes_to_wire({name: value}, STANDING)))
    opened = leaves(to_object(config(model=REASONING, **{name: value}).to_wire()))
    # A new session leaves an empty list of tools out, for that is what it has.
    assert changed - opened <= {(("tools",), "[]"), (("tools",), "()")}


@pytest.mark.parametrize(("name", "value"), [each for each in EACH if each.values[0] in ASKABLE])
def test_a_setting_of_one_response_is_understood_by_openais_types(name, value):
    read_back(RealtimeResponseCreateParams, asked_to_wire({name: value}, "auto", REASONING))


def test_what_is_not_given_is_not_said():
    assert to_object(asked_to_wire(dict.fromkeys(ASKABLE), "auto", "gpt-realtime")) == {}


def test_retention_is_said_as_the_service_has_it():
    told = RetentionRatio(ratio=0.5, post_instructions_tokens=7).to_wire()

    assert told == {
        "type": "retention_ratio",
        "retention_ratio": 0.5,
        "token_limits": {"post_instructions": 7},
    }
    assert TypeAdapter(RealtimeTruncation).validate_python(told).retention_ratio == 0.5
    assert RetentionRatio().to_wire() == {"type": "retention_ratio", "retention_ratio": 1.0}


def test_the_voice_of_the_session_goes_before_that_of_its_audio():
    told = config(voice={"id": "voice_1"}).to_wire()

    assert told.audio.output.voice == {"id": "voice_1"}
    assert config().to_wire().audio.output.voice == "alloy"


def test_prompts_and_traces_are_not_shown():
    shown = repr(config(prompt={"id": "p", "variables": {"name": "Ann"}}, tracing={"metadata": {"who": "Bob"}}))

    assert "Ann" not in shown
    assert "Bob" not in shown


# --- what is refused ------------------------------------------------------------------------------------------------

WRONG = [
    ("transcription", {"model": ""}, "transcription.model"),
    ("transcription", {"model": "a", "delay": "none"}, "transcription.delay"),
    ("transcription", {"keywords": "Trio"}, "transcription.keywords"),
    ("transcription", {"languages": [7]}, "transcription.languages"),
    ("transcription", {"modle": "a"}, "transcription.modle"),
    ("noise_reduction", "no_field", "noise_reduction.type"),
    ("noise_reduction", {"type": "near_field", "strength": -1}, "noise_reduction.strength"),
    ("noise_reduction", 7, "noise_reduction"),
    ("turn_detection", {}, "turn_detection.type"),
    ("turn_detection", {"type": "semantic_vad", "threshold": 0.5}, "turn_detection.threshold"),
    ("turn_detection", {"type": "server_vad", "eagerness": "low"}, "turn_detection.eagerness"),
    ("turn_detection", {"type": "server_vad", "idle_timeout_ms": 4999}, "turn_detection.idle_timeout_ms"),
    ("voice", "", "voice"),
    ("voice", {"id": ""}, "voice"),
    ("voice", {"name": "marin"}, "voice"),
    ("speed", 0.24, "speed"),
    ("speed", 1.51, "speed"),
    ("speed", True, "speed"),
    ("parallel_tool_calls", 1, "parallel_tool_calls"),
    ("reasoning_effort", "huge", "reasoning_effort"),
    ("tracing", "on", "tracing"),
    ("tracing", {"workflow": "w"}, "tracing.workflow"),
    ("tracing", {"group_id": 7}, "tracing.group_id"),
    ("tracing", {"metadata": "m"}, "tracing.metadata"),
    ("truncation", "never", "truncation"),
    ("truncation", {"type": "other"}, "truncation"),
    ("truncation", {"type": "retention_ratio", "retention_ratio": 2}, "truncation.ratio"),
    ("truncation", {"type": "retention_ratio"}, "truncation.ratio"),
    ("truncation", {"type": "retention_ratio", "retention_ratio": 1, "token_limits": 7}, "truncation.token_limits"),
    ("truncation", {"type": "retention_ratio", "retention_ratio": 1, "tokens": 7}, "truncation.tokens"),
    ("prompt", "pmpt_1", "prompt"),
    ("prompt", {"version": "1"}, "prompt.id"),
    ("prompt", {"id": ""}, "prompt.id"),
    ("prompt", {"id": "p", "version": 1}, "prompt.version"),
    ("prompt", {"id": "p", "variables": ["x"]}, "prompt.variables"),
    ("include", ["all"], "include"),
    ("include", "item.input_audio_transcription.logprobs", "include"),
    ("tools", [MCP, MCP], "tools[1].server_label"),
    ("tools", [{"type": "mcp"}], "tools[0].server_label"),
    ("tools", [{**MCP, "connector_id": "connector_gmail"}], "tools[0].connector_id"),
    ("tools", [{**MCP, "authorization": "t", "headers": {"AUTHORIZATION": "t"}}], "tools[0].headers"),
    ("tools", [Tool(type="function", name="a"), Tool(type="function", name="a")], "tools[1].name"),
]


@pytest.mark.parametrize(("name", "value", "field"), WRONG)
def test_a_wrong_value_is_refused_at_the_opening_and_at_run_time_alike(name, value, field):
    for make in (lambda: config(**{name: value}), lambda: changes_to_wire({name: value}, STANDING)):
        with pytest.raises(ConfigError) as raised:
            make()
        assert raised.value.field == field


def test_a_known_server_may_be_named_by_its_label_alone():
    assert config(tools=[{"type": "mcp", "server_label": "docs"}]).tools[0].server_url is None


@pytest.mark.parametrize(
    "model", ["gpt-realtime", "gpt-realtime-1.5", "gpt-realtime-mini-2025-12-15", "gpt-4o-realtime"]
)
def test_a_model_that_does_not_reason_is_not_asked_to(model):
    with pytest.raises(ConfigError, match="reasoning"):
        config(model=model, reasoning_effort="low")
    with pytest.raises(ConfigError, match="reasoning"):
        changes_to_wire({"reasoning_effort": "low"}, Standing(model=model))
    with pytest.raises(ConfigError, match="reasoning"):
        asked_to_wire({"reasoning_effort": "low"}, "auto", model)


@pytest.mark.parametrize("model", ["gpt-realtime-2", "gpt-realtime-2.1-mini", "my-deployment"])
def test_a_model_that_may_reason_is_asked(model):
    assert config(model=model, reasoning_effort="low").to_wire().reasoning.effort == "low"


# --- changes --------------------------------------------------------------------------------------------------------

CLEARED = ("transcription", "noise_reduction", "turn_detection", "tracing", "prompt", "include")


@pytest.mark.parametrize("name", CLEARED)
def test_none_is_said_as_null_where_that_turns_a_thing_off(name):
    assert f'"{name}":null' in encode(SessionUpdate(session=changes_to_wire({name: None}, STANDING)))


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - set(CLEARED)))
def test_none_is_refused_where_it_is_no_value(name):
    with pytest.raises(ConfigError, match="leave the name out"):
        changes_to_wire({name: None}, STANDING)


@pytest.mark.parametrize("name", ["model", "type", "audio", "history", "client", "engine", "image_input"])
def test_what_is_fixed_is_not_changed(name):
    with pytest.raises(ConfigError, match="while the session runs"):
        changes_to_wire({name: "x"}, STANDING)


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(ConfigError, match=r"instructions, output_modalities, .* truncation") as raised:
        changes_to_wire({"temperature": 1}, STANDING)
    assert raised.value.field == "temperature"
    with pytest.raises(ConfigError, match="at least one of instructions"):
        changes_to_wire({}, STANDING)


def test_the_voice_is_locked_once_the_model_has_spoken():
    spoken = Standing(model="gpt-realtime", voice="marin", has_spoken=True)

    with pytest.raises(LocalMisuse, match="cannot_update_voice"):
        changes_to_wire({"voice": "cedar"}, spoken)
    assert changes_to_wire({"voice": "marin"}, spoken).audio.output.voice == "marin"
    assert changes_to_wire({"voice": "cedar"}, attrs.evolve(spoken, has_spoken=False)).audio.output.voice == "cedar"


def test_tracing_stays_as_it_began():
    traced = Standing(model="gpt-realtime", tracing={"group_id": "g"})

    with pytest.raises(LocalMisuse, match="once it is on"):
        changes_to_wire({"tracing": "auto"}, traced)
    assert changes_to_wire({"tracing": Tracing(group_id="g")}, traced).tracing == {"group_id": "g"}
    assert changes_to_wire({"tracing": None}, traced).extra == {"tracing": None}
    assert changes_to_wire({"tracing": "auto"}, STANDING).tracing == "auto"


def test_the_speed_changes_between_responses():
    with pytest.raises(LocalMisuse, match="between responses"):
        changes_to_wire({"speed": 1.2}, attrs.evolve(STANDING, response_active=True))


# --- one response ---------------------------------------------------------------------------------------------------


def test_a_response_out_of_band_has_its_own_input():
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Sum up"}]}
    reference = ItemReference(id="item_1")

    told = asked_to_wire({"input": [message, reference], "metadata": {"topic": "sum"}}, "none", "gpt-realtime")

    assert told.conversation == "none"
    assert isinstance(told.input[0], MessageItem)
    assert told.input[1] is reference
    assert told.metadata == {"topic": "sum"}
    assert asked_to_wire({"input": []}, "auto", "gpt-realtime").input == ()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"temperature": 1}, "temperature"),
        ({"speed": 1}, "speed"),
        ({"input": "hello"}, "input"),
        ({"input": ["hello"]}, "input[0]"),
        ({"input": [{"type": "message", "role": "user"}]}, "input[0].content"),
        ({"metadata": ["a"]}, "metadata"),
        ({"metadata": {str(i): "" for i in range(16)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"": ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata.k"),
        ({"metadata": {"k": 7}}, "metadata.k"),
        ({"metadata": {METADATA_ID_KEY: "mine"}}, f"metadata.{METADATA_ID_KEY}"),
    ],
)
def test_a_response_is_not_asked_for_what_it_can_not_be(asked, field):
    with pytest.raises(ConfigError) as raised:
        asked_to_wire(asked, "none", "gpt-realtime")
    assert raised.value.field == field


def test_metadata_may_be_as_large_as_the_service_takes_it():
    most = {f"{i:064}": "v" * 512 for i in range(15)}

    assert asked_to_wire({"metadata": most}, "auto", "gpt-realtime").metadata == most


def test_there_are_two_conversations():
    with pytest.raises(ConfigError, match="'auto', 'none'"):
        asked_to_wire({}, "other", "gpt-realtime")
