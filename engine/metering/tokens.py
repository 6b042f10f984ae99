"""Tokens by modality: of responses, and of transcriptions apart, each counted once."""

from collections.abc import Iterator
from typing import Final

import attrs

from engine.wire.response import CachedTokens, InputTokens, OutputTokens, Response, Usage
from engine.wire.server import ConversationItemInputAudioTranscriptionCompleted, TranscriptionUsage

_REMEMBERED: Final = 4096
"""Ids of responses and transcriptions that were counted; a repeated one is known among the newest so many."""


@attrs.frozen(kw_only=True)
class Tokens:
    """Tokens by modality. Cached ones are among the input's, never beside them.

    What the service counts in a total but in no modality (as a compatible server that gives totals only) is text here.

    Attributes:
        input_text: Text that the model read, cached ones included.
        input_audio: Audio that it heard, cached ones included.
        input_image: Images that it saw, cached ones included.
        cached_text: Of `input_text`, from the cache.
        cached_audio: Of `input_audio`, from the cache.
        cached_image: Of `input_image`, from the cache.
        output_text: Text that it wrote: transcripts, calls and reasoning too.
        output_audio: Audio that it spoke, whether or not anybody heard it.
    """

    input_text: int = 0
    input_audio: int = 0
    input_image: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    cached_image: int = 0
    output_text: int = 0
    output_audio: int = 0

    @property
    def input(self) -> int:
        """All that the model took in."""
        return self.input_text + self.input_audio + self.input_image

    @property
    def cached(self) -> int:
        """Of `input`, from the cache."""
        return self.cached_text + self.cached_audio + self.cached_image

    @property
    def output(self) -> int:
        """All that the model gave."""
        return self.output_text + self.output_audio

    @property
    def total(self) -> int:
        """Both ways."""
        return self.input + self.output

    def __add__(self, other: "Tokens") -> "Tokens":
        names = (field.name for field in attrs.fields(Tokens))
        return Tokens(**{name: getattr(self, name) + getattr(other, name) for name in names})

    @classmethod
    def of(cls, usage: Usage | None) -> "Tokens":
        """Read what a response took; nothing where the service does not say."""
        if usage is None:
            return cls()
        got = usage.input_token_details or InputTokens()
        gave = usage.output_token_details or OutputTokens()
        given = (_count(got.text_tokens), _count(got.audio_tokens), _count(got.image_tokens))
        audio, image = given[1], given[2]
        text = max(given[0], _count(usage.input_tokens) - audio - image)
        cached_text, cached_audio, cached_image = _cached(got, text, audio, image)
        spoken = _count(gave.audio_tokens)
        return cls(
            input_text=text,
            input_audio=audio,
            input_image=image,
            cached_text=cached_text,
            cached_audio=cached_audio,
            cached_image=cached_image,
            output_text=max(_count(gave.text_tokens), _count(usage.output_tokens) - spoken),
            output_audio=spoken,
        )


NO_TOKENS: Final = Tokens()


def _count(given: int | None) -> int:
    return max(given or 0, 0)


def _cached(got: InputTokens, *most: int) -> Iterator[int]:
    """Share out the cached tokens, never more to a modality than it has. Without details: text first."""
    details = got.cached_tokens_details
    if details is None:
        left = _count(got.cached_tokens)
        for bound in most:
            yield min(left, bound)
            left -= min(left, bound)
        return
    for given, bound in zip(_modalities(details), most, strict=True):
        yield min(_count(given), bound)


def _modalities(details: CachedTokens) -> tuple[int | None, int | None, int | None]:
    return details.text_tokens, details.audio_tokens, details.image_tokens


@attrs.frozen(kw_only=True)
class Transcribed:
    """What transcriptions of the user's speech took. They are paid beside the responses.

    Attributes:
        count: Transcriptions that came.
        seconds: Audio of those that are counted by time.
        tokens: Of those that are counted by tokens.
    """

    count: int = 0
    seconds: float = 0.0
    tokens: Tokens = NO_TOKENS

    def __add__(self, other: "Transcribed") -> "Transcribed":
        return Transcribed(
            count=self.count + other.count,
            seconds=self.seconds + other.seconds,
            tokens=self.tokens + other.tokens,
        )

    @classmethod
    def of(cls, usage: TranscriptionUsage | None) -> "Transcribed":
        """Read what one transcription took."""
        if usage is None:
            return cls(count=1)
        details = usage.input_token_details or {}
        audio = details.get("audio_tokens")
        heard = _count(audio if isinstance(audio, int) else None)
        text = max(_count(usage.input_tokens) - heard, 0)
        tokens = Tokens(input_text=text, input_audio=heard, output_text=_count(usage.output_tokens))
        return cls(count=1, seconds=max(usage.seconds or 0.0, 0.0), tokens=tokens)


_NONE_TRANSCRIBED: Final = Transcribed()
"""What a session begins with."""


class TokenMeter:
    """Sums what goes by, each response and each transcription once however often it is told."""

    __slots__ = ("_counted", "tokens", "transcribed")

    def __init__(self) -> None:
        self.tokens = NO_TOKENS
        """Of all responses, those outside the conversation included."""
        self.transcribed = _NONE_TRANSCRIBED
        """Of all transcriptions."""
        self._counted: dict[object, None] = {}

    def response_done(self, response: Response) -> Tokens | None:
        """Count a finished response.

        Returns:
            What it took, or None when it was counted before.
        """
        if response.id is not None and not self._is_new(response.id):
            return None
        tokens = Tokens.of(response.usage)
        self.tokens += tokens
        return tokens

    def transcribed_item(self, event: ConversationItemInputAudioTranscriptionCompleted) -> None:
        """Count a finished transcription."""
        if self._is_new((event.item_id, event.content_index)):
            self.transcribed += Transcribed.of(event.usage)

    def _is_new(self, key: object) -> bool:
        if key in self._counted:
            return False
        self._counted[key] = None
        if len(self._counted) > _REMEMBERED:
            del self._counted[next(iter(self._counted))]
        return True
