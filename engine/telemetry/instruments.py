"""The metrics: OpenTelemetry's instruments, by the semantic conventions for generative AI, and ours beside them."""

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

import attrs

from engine.metering.tokens import Tokens

Attributes = Mapping[str, str]

_TOKENS: Final = [4**power for power in range(14)]
_SECONDS: Final = [0.01 * 2**power for power in range(14)]
"""Bounds of the buckets that the conventions ask for: of token counts, and of operations in seconds."""

_LATENCY_S: Final = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0]
"""Bounds for what a person waits for in a talk."""

_SESSION_S: Final = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 2700.0, 3600.0]

_HISTOGRAMS: Final[Mapping[str, tuple[str, str, list[Any]]]] = {
    "gen_ai.client.token.usage": ("{token}", "Tokens of a response, by direction.", _TOKENS),
    "gen_ai.client.operation.duration": ("s", "From a response's begin to its end.", _SECONDS),
    "gen_ai.client.operation.time_to_first_chunk": ("s", "From a response's begin to its first piece.", _SECONDS),
    "gen_ai.execute_tool.duration": ("s", "From a tool's call to its result.", _SECONDS),
    "realtime.turn.time_to_first_text": ("s", "From the end of the user's input to the first text.", _LATENCY_S),
    "realtime.turn.time_to_first_audio": ("s", "From the end of the user's input to the first audio.", _LATENCY_S),
    "realtime.turn.time_to_first_audio_heard": (
        "s",
        "From the end of the user's input to the first sound that the user heard.",
        _LATENCY_S,
    ),
    "realtime.turn.interruption_latency": (
        "s",
        "From the user's cutting in until the application took the interruption.",
        _LATENCY_S,
    ),
    "realtime.session.duration": ("s", "From a session's start to its end.", _SESSION_S),
}
"""Name to unit, description and bounds."""

_COUNTERS: Final[Mapping[str, tuple[str, str]]] = {
    "realtime.tokens": ("{token}", "Tokens of responses by direction, modality and whether they were cached."),
    "realtime.interruptions": ("{interruption}", "Times that the user began to speak over an answer."),
    "realtime.errors": ("{error}", "Errors that the service told."),
}


@attrs.frozen(eq=False)
class Instruments:
    """One provider's instruments, by name."""

    histograms: Mapping[str, Any]
    counters: Mapping[str, Any]

    @classmethod
    def of(cls, provider: Any, version: str) -> "Instruments":
        """Make a provider's instruments, once: it would complain of others by the same names."""
        made = _made.get(provider)
        if made is None:
            meter = provider.get_meter("realtime-engine", version)
            made = _made[provider] = cls(
                {
                    name: meter.create_histogram(name, unit, what, explicit_bucket_boundaries_advisory=bounds)
                    for name, (unit, what, bounds) in _HISTOGRAMS.items()
                },
                {name: meter.create_counter(name, unit, what) for name, (unit, what) in _COUNTERS.items()},
            )
        return made

    def record(self, name: str, value: float, attributes: Attributes) -> None:
        """Record one figure."""
        self.histograms[name].record(value, attributes)

    def count(self, name: str, attributes: Attributes, number: int = 1) -> None:
        """Count so many."""
        self.counters[name].add(number, attributes)

    def tokens(self, tokens: Tokens, attributes: Attributes) -> None:
        """Record a response's tokens. Cached ones are a part of the input's, and counted once."""
        for way, number in (("input", tokens.input), ("output", tokens.output)):
            self.record("gen_ai.client.token.usage", number, {**attributes, "gen_ai.token.type": way})
        for way, modality, cached, number in _by_modality(tokens):
            if number:
                kind = {"gen_ai.token.type": way, "realtime.modality": modality, "realtime.cached": cached}
                self.count("realtime.tokens", {**attributes, **kind}, number)


_made: WeakKeyDictionary[Any, Instruments] = WeakKeyDictionary()


def _by_modality(tokens: Tokens) -> list[tuple[str, str, str, int]]:
    return [
        ("input", "text", "no", tokens.input_text - tokens.cached_text),
        ("input", "audio", "no", tokens.input_audio - tokens.cached_audio),
        ("input", "image", "no", tokens.input_image - tokens.cached_image),
        ("input", "text", "yes", tokens.cached_text),
        ("input", "audio", "yes", tokens.cached_audio),
        ("input", "image", "yes", tokens.cached_image),
        ("output", "text", "no", tokens.output_text),
        ("output", "audio", "no", tokens.output_audio),
    ]
