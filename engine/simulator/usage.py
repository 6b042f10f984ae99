"""Token counts: about one for four characters of text, one for 100 ms of the user's audio, 50 ms of the assistant's."""

import math
from collections.abc import Iterable
from itertools import takewhile
from typing import Any, Final

import attrs
import orjson

from engine.simulator.conversation import Entry

Json = dict[str, Any]

CHARS_PER_TOKEN: Final = 4
USER_AUDIO_MS_PER_TOKEN: Final = 100
ASSISTANT_AUDIO_MS_PER_TOKEN: Final = 50
IMAGE_TOKENS: Final = 85
CACHE_BLOCK_TOKENS: Final = 64
"""Cached tokens come in multiples of 64 (every capture)."""


def text_tokens(text: str) -> int:
    """Count the tokens of a text."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


@attrs.frozen
class Count:
    """Tokens by modality."""

    text: int = 0
    audio: int = 0
    image: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.text + other.text, self.audio + other.audio, self.image + other.image)

    @property
    def total(self) -> int:
        """Sum them up."""
        return self.text + self.audio + self.image


def audio_tokens(audio_ms: float, *, user: bool) -> int:
    """Count the tokens of speech."""
    return math.ceil(audio_ms / (USER_AUDIO_MS_PER_TOKEN if user else ASSISTANT_AUDIO_MS_PER_TOKEN))


def item_tokens(entry: Entry) -> Count:
    """Count what an item costs as context."""
    return entry.worked_out("tokens", _item_tokens)


def _item_tokens(entry: Entry) -> Count:
    item = entry.item
    parts = item.get("content", ())
    texts = [item.get("arguments"), item.get("output"), item.get("name")]
    texts += [part.get("text") for part in parts]
    spoken = entry.audio_ms > 0
    if not spoken:
        texts += [part.get("transcript") for part in parts]
    return Count(
        text=sum(text_tokens(text) for text in texts if text),
        audio=audio_tokens(entry.audio_ms, user=item.get("role") == "user"),
        image=IMAGE_TOKENS * sum(part["type"] == "input_image" for part in parts),
    )


def instruction_tokens(session: Json) -> Count:
    """Count what comes before the items: instructions and tools."""
    total = Count(text=text_tokens(session["instructions"]))
    if session["tools"]:
        total += Count(text=text_tokens(orjson.dumps(session["tools"]).decode()))
    return total


@attrs.frozen
class ContextPart:
    """One part of a response's input, for finding what the input before had too.

    Attributes:
        key: Says which: an item's id, or what the instructions and tools are.
        tokens: What it costs.
    """

    key: object
    tokens: Count


def context_parts(session: Json, entries: Iterable[Entry]) -> tuple[ContextPart, ...]:
    """Take a response's whole input apart: instructions and tools, then items."""
    first = hash((session["instructions"], orjson.dumps(session["tools"])))
    items = (entry.worked_out("context", _context_part) for entry in entries)
    return (ContextPart(first, instruction_tokens(session)), *items)


def _context_part(entry: Entry) -> ContextPart:
    return ContextPart(entry.id, item_tokens(entry))


def total(parts: Iterable[ContextPart]) -> Count:
    """Sum up the parts of an input."""
    counts = [part.tokens for part in parts]
    return Count(
        sum(each.text for each in counts), sum(each.audio for each in counts), sum(each.image for each in counts)
    )


def cached(before: Iterable[ContextPart], now: Iterable[ContextPart]) -> Count:
    """Tell which part of the input was in the last response's input too: what both begin with, in whole blocks."""
    same = total(new for new, _ in takewhile(lambda pair: pair[0] == pair[1], zip(now, before, strict=False)))
    return Count(
        text=same.text // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS,
        audio=same.audio // CACHE_BLOCK_TOKENS * CACHE_BLOCK_TOKENS,
    )


def usage(given: Count, from_cache: Count, made: Count) -> Json:
    """Write a response's `usage` object; cached tokens are among the input's, not beside them."""
    return {
        "total_tokens": given.total + made.total,
        "input_tokens": given.total,
        "output_tokens": made.total,
        "input_token_details": {
            "text_tokens": given.text,
            "audio_tokens": given.audio,
            "image_tokens": given.image,
            "cached_tokens": from_cache.total,
            "cached_tokens_details": {
                "text_tokens": from_cache.text,
                "audio_tokens": from_cache.audio,
                "image_tokens": from_cache.image,
            },
        },
        "output_token_details": {"text_tokens": made.text, "audio_tokens": made.audio},
    }


@attrs.define
class RateLimit:
    """The account's tokens as `rate_limits.updated` tells them.

    Attributes:
        limit: When nothing was used.
        per_s: Tokens that come back each second.
        used: Not yet come back, at time `at`.
        at: In seconds of the Trio clock.
    """

    limit: int
    per_s: float
    used: float = 0.0
    at: float = 0.0

    def spend(self, tokens: int, now: float) -> None:
        """Take tokens."""
        self.used = max(0.0, self.used - (now - self.at) * self.per_s) + tokens
        self.at = now

    def report(self) -> list[Json]:
        """Write the event's `rate_limits`: tokens only, as measured, and as they stood after the last spending."""
        return [
            {
                "name": "tokens",
                "limit": self.limit,
                "remaining": max(0, self.limit - math.ceil(self.used)),
                "reset_seconds": round(self.used / self.per_s, 3),
            }
        ]
