"""What a WebSocket client writes, read back by a server of the library."""

import pytest
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from engine.transport.outbound import text_frame

SIZES = (0, 1, 125, 126, 65_535, 65_536)


@pytest.mark.parametrize("size", SIZES)
def test_a_server_reads_what_was_written(size):
    text = "\N{EURO SIGN}" * (size // 3) + "x" * (size % 3)
    server = Protocol(Side.SERVER)
    server.receive_data(text_frame(text))
    [frame] = server.events_received()
    assert (frame.opcode, frame.fin, bytes(frame.data).decode()) == (Opcode.TEXT, True, text)


def test_half_a_surrogate_pair_is_no_text():
    with pytest.raises(UnicodeEncodeError):
        text_frame("\ud800")


def test_masks_are_not_foreseen():
    assert len({text_frame("x")[2:6] for _ in range(100)}) > 90
