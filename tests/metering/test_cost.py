"""What tokens cost: exact, cached ones by their own price alone, and what has no price told and not guessed."""

from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.metering.cost import Cost, cost, session_cost
from engine.metering.prices import ModelPrices, Prices
from engine.metering.tokens import Tokens, Transcribed

REALTIME = Prices.builtin().of("gpt-realtime")
NAMES = [field.name for field in attrs.fields(Tokens)]


def test_a_response_of_the_service_to_the_last_digit():
    """55 text at 4, 64 cached at 0.40, 13 audio at 32; 30 text at 16 and 91 audio at 64 dollars a million."""
    told = cost(Tokens(input_text=119, input_audio=13, cached_text=64, output_text=30, output_audio=91), REALTIME)

    assert told == Cost(input=Decimal("0.000636"), cached=Decimal("0.0000256"), output=Decimal("0.006304"))
    assert told.total == Decimal("0.0069656")
    assert told.is_complete
    assert str(told) == "0.006966 USD"


def test_cached_tokens_cost_their_own_price_and_not_the_full_one_beside_it():
    """A peer counted them twice (peers: livekit 5121)."""
    fresh = cost(Tokens(input_audio=1_000_000), REALTIME).total
    cached = cost(Tokens(input_audio=1_000_000, cached_audio=1_000_000), REALTIME).total

    assert (fresh, cached) == (Decimal(32), Decimal("0.4"))


def test_what_has_no_price_is_named_and_in_no_sum():
    told = cost(Tokens(input_text=10, input_image=5, output_text=3), ModelPrices(text_in=4, audio_out=64))

    assert told.unpriced == ("image_in", "text_out")
    assert (told.total, told.is_complete) == (Decimal("0.00004"), False)


def test_a_session_costs_its_responses_and_its_transcriptions():
    by_time = Transcribed(count=1, seconds=30)
    told = session_cost(
        Tokens(input_text=1000), by_time, Prices.builtin(), model="gpt-realtime", transcription_model="whisper-1"
    )

    assert told == Cost(input=Decimal("0.004"), transcription=Decimal("0.003"))


def test_a_transcription_by_tokens():
    taken = Transcribed(count=1, tokens=Tokens(input_audio=26, output_text=9))
    told = session_cost(
        Tokens(), taken, Prices.builtin(), model="gpt-realtime", transcription_model="gpt-4o-mini-transcribe-2025-03-20"
    )

    assert told.total == (26 * Decimal("1.25") + 9 * 5) / 1_000_000


@pytest.mark.parametrize("transcription_model", [None, "my-own", "gpt-4o-transcribe"])
def test_a_transcription_without_a_price_is_named(transcription_model: str | None):
    told = session_cost(
        Tokens(),
        Transcribed(count=1, seconds=3),
        Prices.builtin(),
        model="gpt-realtime",
        transcription_model=transcription_model,
    )

    assert (told.total, told.unpriced) == (0, ("transcription.audio_minute",))


def test_an_unknown_model_has_no_cost():
    assert session_cost(Tokens(input_text=5), Transcribed(), Prices.builtin(), model="my-deployment") is None


def test_a_session_that_only_transcribes_costs_its_transcriptions():
    taken = Transcribed(count=2, seconds=120)
    told = session_cost(Tokens(), taken, Prices.builtin(), model=None, transcription_model="gpt-live-transcribe")

    assert told == Cost(transcription=Decimal("0.034"))
    assert session_cost(Tokens(output_text=1), taken, Prices.builtin(), model=None) is None


def test_a_table_in_another_currency_costs_in_it():
    prices = Prices.from_mapping({"m": {"text_in": 1}}, "EUR")

    assert session_cost(Tokens(input_text=1_000_000), Transcribed(), prices, model="m").currency == "EUR"
    assert str(session_cost(Tokens(), Transcribed(), prices, model="m")) == "0.000000 EUR"


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts)
def test_the_cost_of_two_is_the_sum_of_both_exactly(text: int, cached: int, audio: int, spoken: int):
    one = Tokens(input_text=text + cached, cached_text=cached)
    other = Tokens(input_audio=audio, output_audio=spoken)

    assert cost(one + other, REALTIME).total == cost(one, REALTIME).total + cost(other, REALTIME).total
    assert cost(one, REALTIME).total == (text * Decimal(4) + cached * Decimal("0.4")) / 1_000_000
