"""How a response ended, why, and what it took, in the contract's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol.outcomes import complete_event, usage_event
from engine.wire.response import (
    ErrorDetails,
    InputTokens,
    OutputTokens,
    Response,
    StatusDetails,
    Usage,
)


def complete(has_calls: bool = False, **fields):
    return complete_event(Response(id="resp_1", **fields), has_calls=has_calls, event_id="event_1", received_at=2.0)


def usage(**fields):
    return usage_event(Response(id="resp_1", usage=Usage(**fields)), event_id="event_1", received_at=2.0)


@pytest.mark.parametrize(
    ("status", "has_calls", "stop_reason"),
    [
        ("completed", False, "complete"),
        ("completed", True, "tool_use"),
        ("cancelled", False, "interrupted"),
        ("cancelled", True, "interrupted"),
        ("failed", False, "error"),
        ("failed", True, "error"),
        ("incomplete", False, "interrupted"),
        ("incomplete", True, "interrupted"),
        (None, False, "complete"),
        ("a status of tomorrow", False, "complete"),
        ("a status of tomorrow", True, "tool_use"),
    ],
)
def test_the_stop_reason_follows_the_status(status, has_calls, stop_reason):
    assert complete(has_calls, status=status).stop_reason == stop_reason


def test_a_completed_response_needs_no_details():
    assert complete(status="completed").details is None


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_details_say_why_a_response_is_incomplete(reason):
    event = complete(status="incomplete", status_details=StatusDetails(reason=reason))

    assert event.details == {"status": "incomplete", "reason": reason}


def test_details_hold_the_error_of_a_failed_response():
    failure = ErrorDetails(type="invalid_request_error", code="rate_limit_exceeded", message="slow down")
    event = complete(status="failed", status_details=StatusDetails(error=failure))

    assert event.details == {
        "status": "failed",
        "reason": None,
        "error": {"type": "invalid_request_error", "code": "rate_limit_exceeded", "message": "slow down"},
    }


def test_the_event_says_whose_it_is():
    event = complete(status="completed")

    assert (event.response_id, event.event_id, event.received_at) == ("resp_1", "event_1", 2.0)
    assert complete_event(Response(), has_calls=False, event_id=None, received_at=0.0).response_id == "unknown"


def test_a_response_without_usage_tells_none():
    assert usage_event(Response(), event_id=None, received_at=0.0) is None


def test_usage_is_told_by_modality_and_what_took_nothing_is_left_out():
    event = usage(
        input_tokens=132,
        output_tokens=121,
        total_tokens=253,
        input_token_details=InputTokens(text_tokens=119, audio_tokens=13, image_tokens=0, cached_tokens=64),
        output_token_details=OutputTokens(text_tokens=30, audio_tokens=91),
    )

    assert event is not None
    assert event.as_dict() == {
        "type": "bidi_usage",
        "inputTokens": 132,
        "outputTokens": 121,
        "totalTokens": 253,
        "modality_details": [
            {"modality": "text", "input_tokens": 119, "output_tokens": 30},
            {"modality": "audio", "input_tokens": 13, "output_tokens": 91},
        ],
        "cacheReadInputTokens": 64,
    }
    assert (event.response_id, event.event_id, event.received_at) == ("resp_1", "event_1", 2.0)


def test_cached_tokens_are_among_the_input_and_not_added_to_it():
    """livekit counted them twice (its PR 5121)."""
    event = usage(input_tokens=100, total_tokens=100, input_token_details=InputTokens(cached_tokens=80))

    assert event is not None
    assert (event.input_tokens, event.total_tokens, event.cache_read_input_tokens) == (100, 100, 80)


def test_image_input_is_told_without_image_output():
    event = usage(input_token_details=InputTokens(image_tokens=9))

    assert event is not None
    assert list(event.modality_details) == [{"modality": "image", "input_tokens": 9, "output_tokens": 0}]


def test_an_empty_usage_is_zeros_and_no_modalities():
    event = usage()

    assert event is not None
    assert event.as_dict() == {"type": "bidi_usage", "inputTokens": 0, "outputTokens": 0, "totalTokens": 0}


counts = st.none() | st.integers(0, 10**6)


@given(
    st.builds(InputTokens, text_tokens=counts, audio_tokens=counts, image_tokens=counts),
    st.builds(OutputTokens, text_tokens=counts, audio_tokens=counts),
)
def test_no_token_is_lost_between_the_modalities(tokens_in, tokens_out):
    event = usage(input_token_details=tokens_in, output_token_details=tokens_out)

    assert event is not None
    rows = event.modality_details
    given_in = [tokens_in.text_tokens, tokens_in.audio_tokens, tokens_in.image_tokens]
    assert sum(row["input_tokens"] for row in rows) == sum(filter(None, given_in))
    assert sum(row["output_tokens"] for row in rows) == sum(
        filter(None, [tokens_out.text_tokens, tokens_out.audio_tokens])
    )
