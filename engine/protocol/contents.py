"""Content of the application's as items: text of either side, and images."""

from typing import Final

from engine.errors import UnsupportedContent
from engine.events import BidiImageInputEvent, BidiTextInputEvent
from engine.wire.items import Content, MessageItem

IMAGE_TYPES: Final = ("image/png", "image/jpeg")
"""Images that the service takes (API reference)."""

_TEXT: Final = {"user": "input_text", "system": "input_text", "assistant": "output_text"}
"""How the service calls text, by who says it."""


def text_item(content: BidiTextInputEvent) -> MessageItem:
    """Make an item of text.

    Raises:
        UnsupportedContent: It is said by neither side.
    """
    if content.role not in {"user", "assistant"}:
        raise UnsupportedContent(f"role={content.role!r} | content not supported; use 'user' or 'assistant'")
    return message(content.role, content.text)


def image_item(content: BidiImageInputEvent) -> MessageItem:
    """Make an item of an image.

    Raises:
        UnsupportedContent: It is of a kind that the service does not take.
    """
    if content.mime_type not in IMAGE_TYPES:
        way_out = f"use one of {', '.join(IMAGE_TYPES)}"
        raise UnsupportedContent(f"mime_type={content.mime_type!r} | content not supported; {way_out}")
    url = f"data:{content.mime_type};base64,{content.image}"
    return MessageItem(role="user", content=(Content(type="input_image", image_url=url),))


def message(role: str, text: str) -> MessageItem:
    """Make an item of what somebody says."""
    return MessageItem(role=role, content=(Content(type=_TEXT[role], text=text),))
