"""Tokens by modality: cached ones inside, nothing twice, and what a server does not break down is not lost."""

import json
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metered import done, transcribed, usage

from engine.metering.tokens import TokenMeter, Tokens, Transcribed
from engine.wire.codec import decode_server
from engine.wire.response import CachedTokens, InputTokens, OutputTokens, Usage

NAMES = [field.name for field in attrs.fields(Tokens)]


def test_a_response_of_the_service_is_read_by_modality():
    given = usage(in_text=119, in_audio=13, cached_text=64, out_text=30, out_audio=91)
    tokens = Tokens.of(done("r1", usage=given).response.usage)

    assert tokens == Tokens(input_text=119, input_audio=13, cached_text=64, output_text=30, output_audio=91)
    assert (tokens.input, tokens.cached, tokens.output, tokens.total) == (132, 64, 121, 253)


def test_no_usage_is_nothing():
    assert Tokens.of(None) == Tokens.of(Usage()) == Tokens()


def test_totals_without_modalities_are_text():
    assert Tokens.of(Usage(input_tokens=10, output_tokens=4)) == Tokens(input_text=10, output_text=4)


def test_what_no_modality_explains_is_text_as_reasoning_is():
    given = Usage(output_tokens=50, output_token_details=OutputTokens(text_tokens=10, audio_tokens=20))

    assert Tokens.of(given) == Tokens(output_text=30, output_audio=20)


def test_cached_tokens_without_modalities_are_text_first():
    details = InputTokens(text_tokens=10, audio_tokens=20, image_tokens=5, cached_tokens=28)

    assert Tokens.of(Usage(input_tokens=35, input_token_details=details)) == Tokens(
        input_text=10, input_audio=20, input_image=5, cached_text=10, cached_audio=18
    )


def test_cached_tokens_are_never_more_than_there_are():
    details = InputTokens(audio_tokens=5, cached_tokens_details=CachedTokens(text_tokens=3, audio_tokens=9))

    assert Tokens.of(Usage(input_token_details=details)).cached == 5


def test_less_than_nothing_is_nothing():
    given = Usage(input_tokens=-5, output_tokens=-1, output_token_details=OutputTokens(audio_tokens=-3))

    assert Tokens.of(given) == Tokens()


some = st.none() | st.integers(-5, 1000)
usages = st.builds(
    Usage,
    input_tokens=some,
    output_tokens=some,
    input_token_details=st.none()
    | st.builds(
        InputTokens,
        text_tokens=some,
        audio_tokens=some,
        image_tokens=some,
        cached_tokens=some,
        cached_tokens_details=st.none()
        | st.builds(CachedTokens, text_tokens=some, audio_tokens=some, image_tokens=some),
    ),
    output_token_details=st.none() | st.builds(OutputTokens, text_tokens=some, audio_tokens=some),
)


@given(usages)
def test_whatever_a_server_says_cached_is_a_part_and_no_total_is_lost(given: Usage):
    tokens = Tokens.of(given)

    assert all(getattr(tokens, name) >= 0 for name in NAMES)
    for kind in ("text", "audio", "image"):
        assert getattr(tokens, f"cached_{kind}") <= getattr(tokens, f"input_{kind}")
    assert tokens.input >= (given.input_tokens or 0)
    assert tokens.output >= (given.output_tokens or 0)


@given(st.lists(st.builds(Tokens, **{name: st.integers(0, 99) for name in NAMES}), max_size=5))
def test_sums_are_those_of_each_kind(many: list[Tokens]):
    total = sum(many, Tokens())

    assert all(getattr(total, name) == sum(getattr(one, name) for one in many) for name in NAMES)
    assert total.total == sum(one.total for one in many)


def test_a_repeated_response_counts_once_and_one_without_an_id_each_time():
    meter = TokenMeter()
    told = [meter.response_done(done(name, usage=usage(in_text=5)).response) for name in ("r1", "r1", "r2", None, None)]

    assert [one is None for one in told] == [False, True, False, False, False]
    assert meter.tokens == Tokens(input_text=20)


def test_what_was_counted_long_ago_is_forgotten():
    meter = TokenMeter()
    for number in range(5000):
        meter.response_done(done(f"r{number}").response)

    assert len(meter._counted) == 4096


def test_transcriptions_are_counted_apart_by_time_or_by_tokens():
    meter = TokenMeter()
    meter.transcribed_item(transcribed("a", type="duration", seconds=3))
    meter.transcribed_item(transcribed("a", type="duration", seconds=3))
    meter.transcribed_item(transcribed("a", 1, type="duration", seconds=0.5))
    details = {"text_tokens": 4, "audio_tokens": 26}
    meter.transcribed_item(
        transcribed("b", type="tokens", input_tokens=30, input_token_details=details, output_tokens=9)
    )
    meter.transcribed_item(transcribed("c", type="tokens", input_tokens=7, output_tokens=2))
    meter.transcribed_item(transcribed("d", type="tokens", input_token_details={"audio_tokens": "many"}))
    meter.transcribed_item(transcribed("e"))

    assert meter.tokens == Tokens()
    assert meter.transcribed == Transcribed(
        count=6, seconds=3.5, tokens=Tokens(input_text=11, input_audio=26, output_text=11)
    )


@pytest.fixture
def events(recording: Path) -> list[dict]:
    return [json.loads(line)["event"] for line in recording.read_text().splitlines()]


def test_the_tokens_of_a_recording_are_the_services_own_totals(events: list[dict]):
    meter, totals, seconds = TokenMeter(), [0, 0, 0], 0.0
    for event in events:
        if event["type"] == "response.done":
            meter.response_done(decode_server(json.dumps(event)).response)
            taken = event["response"]["usage"]
            totals = [
                a + taken[b] for a, b in zip(totals, ("input_tokens", "output_tokens", "total_tokens"), strict=True)
            ]
        elif event["type"] == "conversation.item.input_audio_transcription.completed":
            meter.transcribed_item(decode_server(json.dumps(event)))
            seconds += event["usage"].get("seconds", 0)
            assert meter.transcribed.tokens.total >= event["usage"].get("total_tokens", 0)

    assert [meter.tokens.input, meter.tokens.output, meter.tokens.total] == totals
    assert meter.transcribed.seconds == seconds
