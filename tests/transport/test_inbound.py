"""What is read out of a WebSocket's bytes, whatever comes and however it is cut: the same as websockets reads alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Opcode
from websockets.protocol import Protocol, Side

from engine.transport.inbound import FRAMES_MAX, REPLIES_MAX, Inbound

BOUND = 400


def inbound(bound=BOUND):
    return Inbound(bound)


def written(data, first=0x81, *, masked=False, size=None, length_bytes=None):
    """Write a frame, possible or not; its length may take more bytes than it needs."""
    size = len(data) if size is None else size
    bit = 0x80 if masked else 0
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 2**16 else 8
    length = {0: bytes([bit | size % 126]), 2: bytes([bit | 126]), 8: bytes([bit | 127])}[length_bytes]
    return bytes([first]) + length + (size.to_bytes(length_bytes) if length_bytes else b"") + data


class Reference:
    """The library alone, a byte at a time, so that it is known where it stops."""

    def __init__(self, data):
        self.protocol = Protocol(Side.CLIENT, max_size=BOUND)
        self.messages, self.pongs, self.replies = [], [], []
        self.error = self._parts = None
        for at in range(len(data)):
            if self.is_over:
                return
            self.protocol.receive_data(data[at : at + 1])
            self._collect()

    @property
    def is_over(self):
        return self.error is not None or self.protocol.close_rcvd is not None

    def _collect(self):
        for frame in self.protocol.events_received():
            if frame.opcode is Opcode.PONG:
                self.pongs.append(bytes(frame.data))
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
                self._parts = [frame.opcode]
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(bytes(frame.data))
                if frame.fin:
                    self._join(*self._parts[:1], b"".join(self._parts[1:]))
        self.replies += filter(None, self.protocol.data_to_send())
        self.error = self.error or self.protocol.parser_exc

    def _join(self, opcode, data):
        try:
            self.messages.append(data.decode() if opcode is Opcode.TEXT else data)
        except UnicodeDecodeError as error:
            self.protocol.fail(1007)
            self.error = error


def unmasked(frames):
    """The frames that a client has written: what they are, and what they hold."""
    shown = []
    for data in frames:
        size, mask = data[1] & 0x7F, data[2:6]
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data[6 : 6 + size]))
        # Why a connection fails is told in other words.
        shown.append((data[0], payload[:2] if data[0] == 0x88 else payload))
    return shown


SIZES = st.sampled_from([0, 1, 2, 124, 125, 126, 127, 200, BOUND - 1, BOUND, BOUND + 1])
PAYLOADS = SIZES.flatmap(lambda size: st.sampled_from([b"a" * size, ("\N{EURO SIGN}" * size).encode()[:size]]))
SMALL = st.binary(max_size=125)
FRAMES = st.one_of(
    st.builds(written, PAYLOADS),
    st.builds(written, PAYLOADS),
    st.builds(written, SMALL, st.sampled_from([0x82, 0x02, 0x01, 0x00, 0x80])),
    st.builds(written, PAYLOADS, st.sampled_from([0x82, 0x02, 0x01, 0x00, 0x80])),
    st.builds(written, SMALL, st.sampled_from([0x89, 0x8A])),
    st.builds(lambda data, length: written(data, length_bytes=length), SMALL, st.sampled_from([2, 8])),
)
ODD = st.one_of(
    st.builds(written, PAYLOADS, st.integers(0, 255)),
    st.builds(lambda data: written(data, masked=True), SMALL),
    st.builds(lambda size: written(b"x", size=size, length_bytes=8), st.integers(0, 2**64 - 1)),
    st.builds(lambda code, words: written(code.to_bytes(2) + words, 0x88), st.integers(0, 5000), st.binary(max_size=9)),
    st.binary(max_size=12),
)
STREAMS = st.builds(
    lambda frames, odd, more: b"".join([*frames, odd, *more]),
    st.lists(FRAMES, max_size=12),
    st.one_of(st.just(b""), ODD),
    st.lists(FRAMES, max_size=3),
)
CUTS = st.lists(st.sampled_from([1, 2, 3, 4, 5, 7, 50, 126, 130, 500, 5000]), min_size=1, max_size=20)


@given(STREAMS, CUTS)
def test_it_is_what_the_library_reads_alone(data, cuts):
    expected = Reference(data)
    ours = inbound()
    at = 0
    while at < len(data) and not ours.is_over:
        size = cuts[at % len(cuts)]
        ours.feed(data[at : at + size])
        at += size
    if str(ours.error).startswith("reserved bits are set"):
        # Told of before the frame is whole: the library waits for its end, or counts it as a part of a message first.
        assert type(expected.error) in (type(None), ProtocolError, PayloadTooBig)
        ours.replies.pop()
        del expected.replies[len(expected.replies) - expected.is_over :]
    else:
        assert (type(ours.error), ours.is_over) == (type(expected.error), expected.is_over)
        assert ours.told == expected.protocol.close_rcvd
    assert ours.messages == expected.messages
    assert ours.pongs == expected.pongs
    assert unmasked(ours.replies) == unmasked(expected.replies[-REPLIES_MAX:])


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("cut", [1, 3, 64 * 1024])
def test_every_form_of_length_in_every_piece(size, cut):
    ours = inbound(2**20)
    data = written(b"x" * size) * 2
    for at in range(0, len(data), cut):
        ours.feed(data[at : at + cut])
    assert [len(message) for message in ours.messages] == [size, size]


def test_more_frames_than_one_turn_reads_are_read_in_the_next():
    ours = inbound()
    ours.feed(written(b"") * (2 * FRAMES_MAX) + written(b"x")[:-1])
    assert (len(ours.messages), ours.has_more) == (FRAMES_MAX, True)
    ours.go_on()
    assert ours.has_more
    ours.go_on()
    assert (len(ours.messages), ours.has_more) == (2 * FRAMES_MAX, False)
    ours.feed(b"x")
    assert ours.messages[-1] == "x"


def test_of_very_many_pings_the_newest_are_answered():
    ours = inbound()
    ours.feed(b"".join(written(bytes([number]), 0x89) for number in range(100)))
    assert unmasked(ours.replies) == [(0x8A, bytes([number])) for number in range(100 - REPLIES_MAX, 100)]


def test_a_message_of_very_many_pieces_takes_no_more_room_than_its_bytes():
    ours = inbound()
    ours.feed(written(b"a", 0x01))
    for _ in range(1000):
        ours.feed(written(b"", 0x00))
    ours.feed(written(b"b", 0x80))
    assert ours.messages == ["ab"]
    assert type(ours._parts) in (type(None), bytearray)


def test_a_message_over_the_bound_is_told_by_its_header_alone():
    ours = inbound()
    ours.feed(written(b"", size=BOUND + 1, length_bytes=8))
    assert type(ours.error) is PayloadTooBig
    assert [data[0] for data in ours.replies] == [0x88]


def test_nothing_is_read_after_the_end():
    ours = inbound()
    ours.feed(written(b"one") + written(b"\x03\xe8", 0x88) + written(b"two"))
    assert (ours.messages, ours.is_over, ours.error) == (["one"], True, None)
    ours.end()
    assert ours.error is None


def test_an_end_within_a_frame_is_told():
    ours = inbound()
    ours.feed(written(b"one")[:-1])
    ours.end()
    assert type(ours.error) is EOFError
    assert ours.is_over
