"""The log: sorted, counted, without audio."""

import orjson

from engine.demo.event_log import EventLog
from engine.events import BidiAudioInputEvent


def test_the_log_is_sorted_counted_and_without_audio(tmp_path):
    log = EventLog()
    log.contract("client", BidiAudioInputEvent.from_pcm(b"\0" * 100), 12.0)
    log.wire("server", '{"type": "response.output_audio.delta", "delta": "AAAAAA=="}', 11.0)
    log.wire("client", '{"type": "response.cancel"}', 10.5)

    log.write(tmp_path / "log", zero=10.0)

    lines = [orjson.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert [(line["t"], line["layer"], line["dir"], line["event"]["type"]) for line in lines] == [
        (0.5, "wire", "client", "response.cancel"),
        (1.0, "wire", "server", "response.output_audio.delta"),
        (2.0, "contract", "client", "bidi_audio_input"),
    ]
    assert lines[1]["event"]["delta"] == "(4 bytes of audio)"
    assert lines[2]["event"]["audio"] == "(100 bytes of audio)"
    assert (log.count("wire", "client"), log.count("contract", "server")) == (1, 0)
