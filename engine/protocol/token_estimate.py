"""How many tokens the model reads of an item, estimated: nobody tells the number before the item is read."""

import math
from typing import Final

from engine.wire.items import FunctionCallItem, FunctionCallOutputItem, Item, MessageItem

CHARS_PER_TOKEN: Final = 4
"""English text (OpenAI, "What are tokens and how to count them?")."""

AUDIO_MS_PER_TOKEN: Final = 100
"""The user's speech (OpenAI, realtime costs guide)."""

ITEM_TOKENS: Final = 8
"""What marks an item's beginning, its end and who says it: with 8, the calls and results of three recorded rounds come
to 103 tokens, where the service counted 100, and two lone questions to 14 and 11, where it counted 16 and 12."""

_BASE64_CHARS_PER_BYTE: Final = 4 / 3


def item_tokens(item: Item, speech_bytes_per_ms: float) -> int:
    """Estimate an item.

    Args:
        item: Of a kind that a client may send.
        speech_bytes_per_ms: Of its audio, before base64.
    """
    match item:
        case MessageItem(content=content):
            texts = [part.text or "" for part in content]
            audio = "".join(part.audio or "" for part in content)
            return ITEM_TOKENS + sum(map(text_tokens, texts)) + audio_tokens(audio, speech_bytes_per_ms)
        case FunctionCallItem():
            return ITEM_TOKENS + text_tokens(item.name) + text_tokens(item.arguments)
        case FunctionCallOutputItem():
            return ITEM_TOKENS + text_tokens(item.output)
        case _:
            return ITEM_TOKENS


def text_tokens(text: str) -> int:
    """Estimate text: a token for four characters of ASCII, and for every other character one.

    Other alphabets take a token for one to three characters, Chinese and Japanese about one for each: so it is rather
    too many than too few.
    """
    ascii_chars = len(text.encode("ascii", "ignore"))
    return math.ceil(ascii_chars / CHARS_PER_TOKEN) + len(text) - ascii_chars


def audio_tokens(audio: str, bytes_per_ms: float) -> int:
    """Estimate the user's speech, given as base64 text."""
    return math.ceil(len(audio) / _BASE64_CHARS_PER_BYTE / bytes_per_ms / AUDIO_MS_PER_TOKEN)
