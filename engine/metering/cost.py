"""What tokens cost by a price table, exact to the last digit."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import attrs

from engine.metering.prices import ModelPrices, Prices
from engine.metering.tokens import Tokens, Transcribed

_MILLION: Final = Decimal(1_000_000)
_MINUTE_S: Final = Decimal(60)
_NOTHING: Final = Decimal(0)


@attrs.frozen(kw_only=True)
class Cost:
    """An amount of money and what it is for.

    Attributes:
        input: For what the model took in and had not cached.
        cached: For what came from the cache.
        output: For what the model gave.
        transcription: For transcriptions of the user's speech.
        currency: What it is in.
        unpriced: What was used but has no price in the table, and is in no amount: names of `ModelPrices`, those of
            transcription with `transcription.` before them.
    """

    input: Decimal = _NOTHING
    cached: Decimal = _NOTHING
    output: Decimal = _NOTHING
    transcription: Decimal = _NOTHING
    currency: str = "USD"
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> Decimal:
        """All of it. A lower bound where something is unpriced."""
        return self.input + self.cached + self.output + self.transcription

    @property
    def is_complete(self) -> bool:
        """Everything that was used has a price."""
        return not self.unpriced

    def __str__(self) -> str:
        return f"{self.total:.6f} {self.currency}"


@attrs.frozen
class _Part:
    """Tokens of one kind and their price."""

    kind: str
    count: int
    price: Decimal | None

    @property
    def amount(self) -> Decimal:
        return self.count * (self.price or _NOTHING) / _MILLION


def cost(tokens: Tokens, prices: ModelPrices, currency: str = "USD") -> Cost:
    """Tell what tokens cost. Cached ones cost their own price only, never the full one beside it.

    Args:
        tokens: What was used.
        prices: Of the model.
        currency: What the prices are in.
    """
    fresh, cached, output = (
        list(parts) for parts in (_fresh(tokens, prices), _cached(tokens, prices), _out(tokens, prices))
    )
    return Cost(
        input=_sum(fresh),
        cached=_sum(cached),
        output=_sum(output),
        currency=currency,
        unpriced=_unpriced([*fresh, *cached, *output]),
    )


def session_cost(
    tokens: Tokens,
    transcribed: Transcribed,
    prices: Prices,
    *,
    model: str | None,
    transcription_model: str | None = None,
) -> Cost | None:
    """Tell what a session cost.

    Args:
        tokens: What its responses took.
        transcribed: What transcriptions took.
        prices: The table.
        model: The session's model; None for one that only transcribes.
        transcription_model: The one that transcribes, if any.

    Returns:
        The cost, or None where the model is not in the table: a cost is never guessed.
    """
    known = prices.of(model)
    if known is None:
        if model is not None or tokens.total:
            return None
        known = ModelPrices()
    responses = cost(tokens, known, prices.currency)
    amount, unpriced = _transcription(transcribed, prices.of(transcription_model) or ModelPrices())
    return attrs.evolve(responses, transcription=amount, unpriced=responses.unpriced + unpriced)


def _transcription(transcribed: Transcribed, prices: ModelPrices) -> tuple[Decimal, tuple[str, ...]]:
    by_tokens = cost(transcribed.tokens, prices)
    by_time = Decimal(str(transcribed.seconds)) / _MINUTE_S * (prices.audio_minute or _NOTHING)
    unpriced = [*by_tokens.unpriced]
    if transcribed.seconds and prices.audio_minute is None:
        unpriced.append("audio_minute")
    return by_tokens.total + by_time, tuple(f"transcription.{kind}" for kind in unpriced)


def _fresh(tokens: Tokens, prices: ModelPrices) -> Iterator[_Part]:
    yield _Part("text_in", tokens.input_text - tokens.cached_text, prices.text_in)
    yield _Part("audio_in", tokens.input_audio - tokens.cached_audio, prices.audio_in)
    yield _Part("image_in", tokens.input_image - tokens.cached_image, prices.image_in)


def _cached(tokens: Tokens, prices: ModelPrices) -> Iterator[_Part]:
    yield _Part("cached_text_in", tokens.cached_text, prices.cached_text_in)
    yield _Part("cached_audio_in", tokens.cached_audio, prices.cached_audio_in)
    yield _Part("cached_image_in", tokens.cached_image, prices.cached_image_in)


def _out(tokens: Tokens, prices: ModelPrices) -> Iterator[_Part]:
    yield _Part("text_out", tokens.output_text, prices.text_out)
    yield _Part("audio_out", tokens.output_audio, prices.audio_out)


def _sum(parts: list[_Part]) -> Decimal:
    return sum((part.amount for part in parts), _NOTHING)


def _unpriced(parts: list[_Part]) -> tuple[str, ...]:
    return tuple(part.kind for part in parts if part.count and part.price is None)
