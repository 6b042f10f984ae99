"""What a recording keeps of a message: its audio whole, cut or left out, and never a key."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args

import attrs
import pybase64

from engine.errors import ConfigError, shown_url
from engine.limits import MESSAGE_HARD_MAX_BYTES
from engine.secrets import NOT_SHOWN, Secrets, keys_masked

AudioKept = Literal["whole", "cut", "none"]
"""All audio and images; the first `CUT_AUDIO_MAX_BYTES` of each message; or only how much there was."""

CUT_AUDIO_MAX_BYTES: Final = 960
"""What `cut` keeps of the audio in one message: 20 ms of PCM16 at 24 kHz, which tells speech from silence."""

_DEPTH_MAX: Final = 12
"""How deep a message is searched: audio and keys stand at most seven levels deep."""

_CUT_CHARS: Final = CUT_AUDIO_MAX_BYTES // 3 * 4


def audio_field(event_type: object) -> str | None:
    """Name the field that holds the audio of an event of this type; None when it has none at its top."""
    if not isinstance(event_type, str):
        return None
    if event_type.endswith("input_audio_buffer.append"):
        return "audio"
    return "delta" if event_type.endswith("audio.delta") else None


def base64_bytes(text: str) -> int:
    """Tell how many bytes base64 stands for."""
    return len(text) * 3 // 4 - text.count("=", max(0, len(text) - 2))


def _checked(_: Any, __: Any, value: object) -> None:
    if value not in get_args(AudioKept):
        raise ConfigError("record.audio", value, ", ".join(get_args(AudioKept)))


def _texts(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(secrets)


@attrs.frozen
class Reduction:
    """What is left out of messages before they are written.

    Attributes:
        audio: What is kept of audio and images.
        secrets: Texts that must not show, as the key of the session.
    """

    audio: AudioKept = attrs.field(default="whole", validator=_checked)
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False, converter=_texts)
    _searched: Secrets = attrs.field(init=False, repr=False, eq=False)

    @_searched.default
    def _searched_for(self) -> Secrets:
        return Secrets.of(*self.secrets)

    def masked(self, text: str) -> str:
        """Replace keys wherever they stand."""
        return keys_masked(self._searched.masked(text))

    def reduce(self, event: dict[str, Any]) -> bool:
        """Take secrets and audio out of an event, in place; tell whether anything changed."""
        field = audio_field(event.get("type"))
        if field is not None:
            return self.audio != "whole" and self._reduce_audio(event, field)
        return self._search(event, _DEPTH_MAX)

    def binary(self, data: bytes) -> dict[str, Any]:
        """Give what is written of a binary message."""
        kept = {"whole": len(data), "cut": CUT_AUDIO_MAX_BYTES, "none": 0}[self.audio]
        note = {} if len(data) <= kept else {"binary_bytes": len(data)}
        return {"binary": pybase64.b64encode_as_string(data[:kept]), **note}

    # --- within ------------------------------------------------------------------------------------------------------

    def _search(self, value: Any, depth: int) -> bool:
        if depth == 0:
            return False
        if isinstance(value, list):
            return sum(self._search(part, depth - 1) for part in value) > 0
        if not isinstance(value, dict):
            return False
        within = sum(self._search(part, depth - 1) for part in value.values())
        return _hide(value) + self._reduce_parts(value) + within > 0

    def _reduce_parts(self, part: dict[str, Any]) -> bool:
        if self.audio == "whole":
            return False
        return self._reduce_audio(part, "audio") + _reduce_image(part) > 0

    def _reduce_audio(self, holder: dict[str, Any], field: str) -> bool:
        text = holder.get(field)
        if not isinstance(text, str):
            return False
        kept = text[: _CUT_CHARS if self.audio == "cut" else 0]
        if len(kept) == len(text):
            return False
        holder[field] = kept
        holder["audio_bytes"] = base64_bytes(text)
        return True


def _reduce_image(part: dict[str, Any]) -> bool:
    url = part.get("image_url")
    if not isinstance(url, str) or not url.startswith("data:"):
        return False
    kind, _, data = url.partition(",")
    part["image_url"] = f"{kind},"
    part["image_bytes"] = base64_bytes(data)
    return True


def _hide(value: dict[str, Any]) -> bool:
    """Hide what this object holds of secrets: a client secret, and what a tool on another server is called with."""
    hidden: dict[str, Any] = {}
    if value.get("client_secret") is not None:
        hidden["client_secret"] = NOT_SHOWN
    if value.get("type") == "mcp" or "server_label" in value:
        hidden |= _hidden_of_server(value)
    value |= hidden
    return bool(hidden)


def _hidden_of_server(tool: Mapping[str, Any]) -> dict[str, Any]:
    hidden: dict[str, Any] = {}
    if tool.get("authorization") is not None:
        hidden["authorization"] = NOT_SHOWN
    if (headers := tool.get("headers")) is not None:
        hidden["headers"] = dict.fromkeys(headers, NOT_SHOWN) if isinstance(headers, dict) else NOT_SHOWN
    url = tool.get("server_url")
    if isinstance(url, str) and shown_url(url) != url:
        hidden["server_url"] = shown_url(url)
    return hidden


def restored(event: Mapping[str, Any], silence: bytes = b"\0") -> dict[str, Any]:
    """Give an event with silence in place of audio that was left out, so that it lasts as long as it did.

    Args:
        event: As it was recorded; it stays as it is.
        silence: One byte of silence in the session's format.
    """
    return {key: _restored(part, silence) for key, part in _filled(event, silence).items()}


def _restored(value: Any, silence: bytes) -> Any:
    if isinstance(value, Mapping):
        return restored(value, silence)
    return [_restored(part, silence) for part in value] if isinstance(value, list) else value


def _filled(holder: Mapping[str, Any], silence: bytes) -> Mapping[str, Any]:
    field = audio_field(holder.get("type")) or "audio"
    size, text = holder.get("audio_bytes"), holder.get(field)
    if not isinstance(size, int) or not isinstance(text, str) or size > MESSAGE_HARD_MAX_BYTES:
        return holder
    try:
        kept = pybase64.b64decode(text)
    except ValueError:
        return holder
    whole = pybase64.b64encode_as_string(kept + silence * (size - len(kept)))
    return {key: value for key, value in holder.items() if key != "audio_bytes"} | {field: whole}
