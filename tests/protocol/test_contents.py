"""What the application sends becomes an item, or is refused with what can be sent."""

import pytest

from engine.errors import UnsupportedContent
from engine.events import BidiImageInputEvent, BidiTextInputEvent
from engine.protocol.contents import IMAGE_TYPES, image_item, text_item


@pytest.mark.parametrize(("role", "kind"), [("user", "input_text"), ("assistant", "output_text")])
def test_text_is_said_by_either_side(role, kind):
    item = text_item(BidiTextInputEvent("hi", role=role))

    assert (item.role, item.content[0].type, item.content[0].text) == (role, kind, "hi")


def test_text_of_nobody_is_refused():
    with pytest.raises(UnsupportedContent, match="use 'user' or 'assistant'"):
        text_item(BidiTextInputEvent("hi", role="system"))


@pytest.mark.parametrize("mime_type", IMAGE_TYPES)
def test_an_image_is_part_of_the_address_that_is_sent(mime_type):
    (content,) = image_item(BidiImageInputEvent("AAAA", mime_type)).content

    assert content.image_url == f"data:{mime_type};base64,AAAA"


def test_an_image_that_the_service_does_not_take_is_refused():
    with pytest.raises(UnsupportedContent, match="image/png, image/jpeg"):
        image_item(BidiImageInputEvent("AAAA", "image/tiff"))
