"""Lines of a recording: written and read again they say the same, and what is none is refused in words."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recording.format import (
    BrokenLine,
    End,
    Entry,
    Header,
    Link,
    Loss,
    Recording,
    end_line,
    header_line,
    link_line,
    message_line,
    read_line,
    without_audio,
)
from engine.recording.reduction import Reduction

WHOLE = Reduction("whole")
NONE = Reduction("none")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4), st.sampled_from(["client", "server"]))
def test_an_event_is_read_as_it_was_written(event, direction):
    line = message_line(direction, json.dumps(event), 1.25, WHOLE)

    read = read_line(line)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert isinstance(read, Entry)
    assert (read.direction, read.at_s, read.text, read.data) == (direction, 1.25, None, None)
    if not {"audio", "client_secret", "server_label", "image_url"} & event.keys():
        assert read.event == orjson.loads(json.dumps(event))


@given(st.text(max_size=60))
def test_what_is_no_event_is_written_as_its_text(text):
    read = read_line(message_line("server", f"!{text}", 0.0, WHOLE))

    assert read.event is None
    assert read.text == WHOLE.masked(f"!{text}".encode(errors="replace").decode())
    assert read.type == ""


@pytest.mark.parametrize("text", ["[1]", "null", '"words"', "", "{", "half a surrogate \ud83d"])
def test_json_that_is_no_object_is_text(text):
    assert read_line(message_line("client", text, 0.0, WHOLE)).text == text.encode(errors="replace").decode()


@given(st.binary(max_size=100))
def test_a_binary_message_is_read_as_it_was_written(data):
    read = read_line(message_line("server", data, 0.5, WHOLE))

    assert (read.data, read.event, read.text) == (data, None, None)


def test_an_event_stands_in_the_line_as_it_stood_on_the_wire():
    text = '{"type": "x",  "speed": 1.0, "big": 123456789012345678901234567890}'

    assert text.encode() in message_line("server", text, 0.0, WHOLE)


def test_an_event_with_line_breaks_takes_one_line_all_the_same():
    line = message_line("client", '{\n  "type": "x"\r\n}', 0.0, WHOLE)

    assert line.count(b"\n") == 1
    assert read_line(line).event == {"type": "x"}


def test_times_have_six_digits():
    assert b'{"at":0.333333,' in message_line("client", "{}", 1 / 3, WHOLE)


def test_what_is_nested_too_deep_to_be_written_without_its_audio_is_named():
    text = '{"type":"x","audio":"AAAA","deep":' + "[" * 400 + "]" * 400 + "}"

    assert "nested too deep" in read_line(message_line("server", text, 0.0, NONE)).text


@pytest.mark.parametrize("brackets", ["[]", ('{"a":', "}")])
def test_an_event_is_read_as_deep_as_python_can_follow_it(brackets):
    opening, closing = brackets

    def read(depth):
        inner = opening * depth + ("1" if opening != "[" else "") + closing * depth
        return read_line(b'{"dir":"server","event":{"type":"x","in":%b}}' % inner.encode())

    assert read(90).type == "x"
    assert (read(500).event, read(500).text) == (None, "(not shown): nested too deep")


def test_a_wide_event_is_not_a_deep_one():
    wide = {"type": "x", "tools": [{"name": [str(number)]} for number in range(300)]}

    assert read_line(orjson.dumps({"dir": "client", "event": wide})).event == wide


def test_a_thinned_message_says_so():
    text = without_audio('{"type":"response.output_audio.delta","delta":"AAAA"}')
    read = read_line(message_line("server", text, 0.0, WHOLE, thinned=True))

    assert read.thinned
    assert read.event == {"type": "response.output_audio.delta", "delta": "", "audio_bytes": 3}
    assert without_audio("no event") == "no event"
    assert without_audio('{"type":"x"}') == '{"type":"x"}'


def test_the_header_has_no_query_and_no_key():
    header = Header(engine="1.0", began="2026-01-01T00:00:00", model="ek_0123456789", url="wss://a:b@x/y?key=k")

    read = read_line(header_line(header, WHOLE))

    assert read == Header(engine="1.0", began="2026-01-01T00:00:00", model="(not shown)", url="wss://(not shown)@x/y")
    assert read_line(header_line(Header(), NONE)) == Header()


OPENED = Link(number=2, did="opened", at_s=1.5)
LOST = Link(number=1, did="closed", at_s=2.0, loss=Loss(code=1001, reason="going away"))
REFUSED = Link(number=3, did="failed", at_s=2.5, loss=Loss(status=503))
AT_0 = {"direction": "server", "at_s": 0.0}


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (link_line(OPENED, WHOLE), OPENED),
        (link_line(LOST, WHOLE), LOST),
        (link_line(REFUSED, WHOLE), REFUSED),
        (b'{"at":1.5,"link":2}', Link(number=2, at_s=1.5)),
        (b'{"at":1.5,"link":2,"did":"what is of a later version"}', None),
        (message_line("server", '{"type":"x"}', 0.0, WHOLE, 3), Entry(**AT_0, event={"type": "x"}, link=3)),
        (b'{"recording":1,"model":"m"}', Header(model="m")),
        (end_line(End(reason="timeout", at_s=2.0)), End(reason="timeout", at_s=2.0)),
        (end_line(End(reason="error", lost=True, code=1011)), End(reason="error", at_s=0.0, lost=True, code=1011)),
        (end_line(End(reason="error", at_s=1.0, lost=True)), End(reason="error", at_s=1.0, lost=True)),
        (b'{"recording":1,"audio":"of a later version"}', Header()),
        (b'{"bookmark":"of a later version"}', None),
        (b'{"dir":"server","event":{"type":7}}', Entry(direction="server", event={"type": 7})),
    ],
)
def test_marks_are_read_as_they_were_written(line, mark):
    assert read_line(line) == mark


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"dir":"up","event":{}}', "`dir` is 'up'"),
        (b'{"dir":"client"}', "one of `event`, `text` and `binary`"),
        (b'{"dir":"client","event":null}', "one of `event`, `text` and `binary`"),
        (b'{"dir":"client","event":{},"text":""}', "one of"),
        (b'{"dir":"client","event":[]}', "`event` is list"),
        (b'{"dir":"client","text":7}', "`text` is int"),
        (b'{"dir":"client","binary":"?"}', "no base64"),
        (b'{"dir":"client","event":{},"at":"now"}', "`at` is str"),
        (b'{"dir":"client","event":{},"at":true}', "`at` is bool"),
        (b'{"recording":3}', "format 3, and this version of the engine reads up to 2"),
        (b'{"recording":1,"model":7}', "`model` is int"),
        (b'{"link":"two"}', "`link` is str"),
        (b'{"dir":"client","event":{},"link":"two"}', "`link` is str"),
        (b'{"link":2,"did":"closed","lost":true,"code":"odd"}', "`code` is str"),
        (b'{"end":7}', "`end` is int"),
    ],
)
def test_a_line_that_is_none_says_what_is_wrong(line, words):
    with pytest.raises(BrokenLine, match=words):
        read_line(line)


def test_the_words_of_a_close_frame_hold_no_key_and_no_half_character():
    told = Link(number=1, did="closed", loss=Loss(reason="ek_0123456789 is \ud83d"))

    assert read_line(link_line(told, WHOLE)).loss == Loss(reason="(not shown) is ?")
    assert "0123456789" not in repr(told)


def test_a_message_of_the_first_connection_does_not_name_it():
    assert b"link" not in message_line("server", "{}", 0.0, WHOLE, 1)


def entries(*times):
    return tuple(Entry(direction="client", at_s=at_s, event={}) for at_s in times)


@pytest.mark.parametrize(
    ("times", "timed", "length_s"),
    [((1.0, 2.5), True, 1.5), ((1.0, None), False, None), ((), False, None), ((0.0,), True, 0.0)],
)
def test_a_recording_has_times_when_every_message_has(times, timed, length_s):
    recording = Recording(name="r", entries=entries(*times))

    assert (recording.timed, recording.length_s) == (timed, length_s)


def test_what_was_said_is_in_no_repr():
    entry = Entry(direction="server", event={"delta": "a secret wish"}, text="a secret wish", data=b"a secret wish")

    assert "secret" not in repr(entry) + repr(Recording(name="r", entries=(entry,)))
