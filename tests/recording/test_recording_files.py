"""Recordings as files: gzip or not, torn or whole, of ours or of others."""

import gzip
import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ConfigError, LimitExceeded
from engine.recording import LinkRecord, read_recording
from engine.recording import files as recording_files
from engine.recording.files import RecordingFile
from engine.recording.format import End, Header, Link, Loss, end_line, header_line, link_line, message_line
from engine.recording.reduction import Reduction

WHOLE = Reduction()
LINES = [
    header_line(Header(model="m"), WHOLE),
    message_line("server", '{"type":"session.created"}', 0.0, WHOLE),
    message_line("client", '{"type":"session.update","é":"ü"}', 0.5, WHOLE),
    link_line(Link(number=2, did="took_over", at_s=1.0), WHOLE),
    message_line("server", b"\0\1", 1.5, WHOLE, 2),
    message_line("server", "no json", 2.0, WHOLE, 2),
    end_line(End(reason="error", at_s=2.5, lost=True, code=1011)),
]


def write(path, lines, *, flush_each=False):
    file = RecordingFile(path)
    for line in lines:
        file.add(line)
        if flush_each:
            file.flush()
    file.close()
    return path


def message(number):
    return message_line("server", json.dumps({"type": "x", "number": number, "pad": "p" * 40}), number, WHOLE)


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
def test_what_is_written_is_read(tmp_path, name):
    recording = read_recording(write(tmp_path / name, LINES))

    assert recording.name == name
    assert recording.header == Header(model="m")
    assert [(entry.direction, entry.at_s, entry.link) for entry in recording.entries] == [
        ("server", 0.0, 1),
        ("client", 0.5, 1),
        ("server", 1.5, 2),
        ("server", 2.0, 2),
    ]
    assert recording.entries[1].event == {"type": "session.update", "é": "ü"}
    assert (recording.entries[2].data, recording.entries[3].text) == (b"\0\1", "no json")
    assert recording.end == End(reason="error", at_s=2.5, lost=True, code=1011)
    assert not recording.torn


def told(name, link=1):
    return message_line("server", json.dumps({"type": name}), 0.0, WHOLE, link)


def mark(number, did, at_s, **how):
    return link_line(Link(number=number, did=did, at_s=at_s, **how), WHOLE)


RENEWED_AND_LOST = [
    header_line(Header(), WHOLE),
    mark(1, "opened", 0.0),
    mark(1, "took_over", 0.0),
    told("talk"),
    mark(2, "opened", 1.0),
    told("prepared", 2),
    told("talk"),
    mark(2, "took_over", 2.0),
    told("late"),
    mark(1, "closed", 2.0),
    told("talk", 2),
    mark(2, "closed", 3.0, loss=Loss(code=1006, reason="gone")),
    told("late", 2),
    mark(3, "failed", 4.0, loss=Loss(status=503)),
    mark(4, "opened", 5.0),
    told("prepared", 4),
    mark(4, "took_over", 6.0),
    told("talk", 4),
]


def test_each_message_is_of_its_connection_and_of_the_talk_or_not(tmp_path):
    recording = read_recording(write(tmp_path / "call.jsonl", RENEWED_AND_LOST))

    assert [(entry.type, entry.link) for entry in recording.entries] == [
        ("talk", 1),
        ("prepared", 2),
        ("talk", 1),
        ("late", 1),
        ("talk", 2),
        ("late", 2),
        ("prepared", 4),
        ("talk", 4),
    ]
    assert [entry.aside for entry in recording.entries] == [entry.type != "talk" for entry in recording.entries]
    assert recording.links == (
        LinkRecord(number=1, opened_s=0.0, took_over_s=0.0, closed_s=2.0),
        LinkRecord(number=2, opened_s=1.0, took_over_s=2.0, closed_s=3.0, loss=Loss(code=1006, reason="gone")),
        LinkRecord(number=3, closed_s=4.0, failed=True, loss=Loss(status=503)),
        LinkRecord(number=4, opened_s=5.0, took_over_s=6.0),
    )


def test_in_the_first_format_connections_talk_one_after_another(tmp_path):
    lines = [b'{"recording":1}\n', told("a"), b'{"at":1.0,"link":2}\n', told("b"), b'{"at":2.0,"link":3}\n', told("c")]
    recording = read_recording(write(tmp_path / "call.jsonl", lines))

    assert [(entry.type, entry.link, entry.aside) for entry in recording.entries] == [
        ("a", 1, False),
        ("b", 2, False),
        ("c", 3, False),
    ]
    assert [(link.number, link.took_over_s) for link in recording.links] == [(1, None), (2, 1.0), (3, 2.0)]


def test_a_compressed_file_is_one_for_any_tool(tmp_path):
    path = write(tmp_path / "call.jsonl.gz", LINES, flush_each=True)

    assert gzip.decompress(path.read_bytes()) == b"".join(LINES)


@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
def test_what_was_flushed_can_be_read_before_the_file_is_finished(tmp_path, name):
    file = RecordingFile(tmp_path / name)
    for number in range(3):
        file.add(message(number))
    file.flush()

    recording = read_recording(tmp_path / name)

    assert len(recording.entries) == 3
    assert recording.torn == name.endswith("gz"), "a gzip file without its end is cut off, whatever it holds"
    file.close()


@given(st.data())
@pytest.mark.parametrize("name", ["call.jsonl", "call.jsonl.gz"])
def test_a_file_torn_anywhere_gives_what_is_whole(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("torn") / name
    file, safe_at = RecordingFile(path), []
    for number in range(20):
        file.add(message(number))
        file.flush()
        safe_at.append(file.written_bytes)
    file.close()
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])

    recording = read_recording(path)

    assert [entry.event["number"] for entry in recording.entries] == list(range(len(recording.entries)))
    assert len(recording.entries) >= sum(at <= cut for at in safe_at)
    if cut in (0, len(whole)):
        assert not recording.torn


def test_the_last_line_may_lack_its_end(tmp_path):
    path = tmp_path / "call.jsonl"
    path.write_bytes(b"".join(LINES).rstrip(b"\n"))

    recording = read_recording(path)

    assert recording.end is not None
    assert not recording.torn


def test_empty_lines_and_several_gzip_members_are_read(tmp_path):
    path = tmp_path / "call.jsonl.gz"
    path.write_bytes(gzip.compress(LINES[0] + b"\n\r\n" + LINES[1]) + gzip.compress(LINES[2]))

    assert len(read_recording(path).entries) == 2


def test_a_mark_of_a_later_version_is_passed_over(tmp_path):
    path = tmp_path / "call.jsonl"
    path.write_bytes(LINES[1] + b'{"bookmark":"here"}\n' + LINES[2])

    assert len(read_recording(path).entries) == 2


def test_gzip_is_known_by_what_it_holds(tmp_path):
    path = tmp_path / "call.jsonl"
    path.write_bytes(gzip.compress(LINES[1]))

    assert len(read_recording(path).entries) == 1


def test_a_large_compressed_line_comes_out_whole(tmp_path):
    text = json.dumps({"type": "x", "pad": "p" * 3_000_000})
    path = write(tmp_path / "call.jsonl.gz", [message_line("server", text, 0.0, WHOLE)])

    assert len(read_recording(path).entries[0].event["pad"]) == 3_000_000


def test_a_broken_line_in_the_middle_is_refused_with_its_number(tmp_path):
    path = tmp_path / "call.jsonl"
    path.write_bytes(LINES[1] + b"{broken\n" + LINES[2])

    with pytest.raises(ConfigError, match=r"call\.jsonl, line 2: no JSON"):
        read_recording(path)


def test_garbage_in_gzip_is_a_torn_end(tmp_path):
    path = tmp_path / "call.jsonl.gz"
    path.write_bytes(gzip.compress(LINES[1])[:-8] + b"garbage!" * 4)

    recording = read_recording(path)

    assert recording.torn
    assert len(recording.entries) == 1


def test_a_file_without_lines_is_no_recording_of_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(recording_files, "LINE_MAX_BYTES", 1000)
    path = tmp_path / "movie.jsonl"
    path.write_bytes(b"x" * 2000)

    with pytest.raises(LimitExceeded, match="no recording of a session"):
        read_recording(path)


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_can_not_be_read_says_so(tmp_path, name):
    with pytest.raises(ConfigError, match="can't be read"):
        read_recording(tmp_path / name)


def test_a_file_that_can_not_be_written_says_so(tmp_path):
    with pytest.raises(ConfigError, match="can't be written"):
        RecordingFile(tmp_path / "missing" / "call.jsonl")


def test_only_its_owner_may_read_a_recording(tmp_path):
    before = os.umask(0)
    try:
        path = write(tmp_path / "call.jsonl", LINES)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_shut_to_them(tmp_path):
    path = tmp_path / "call.jsonl"
    path.touch()
    path.chmod(0o644)
    write(path, LINES)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_device_keeps_its_rights():
    device = Path(os.devnull)
    before = device.stat().st_mode
    RecordingFile(device).close()

    assert device.stat().st_mode == before


def test_a_file_that_is_there_is_replaced(tmp_path):
    path = write(tmp_path / "call.jsonl", LINES * 3)

    assert write(path, LINES[:1]).read_bytes() == LINES[0]


def test_recordings_of_the_real_service_are_read(recordings):
    for path in recordings:
        recording = read_recording(path)
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]

        assert [entry.event for entry in recording.entries] == [line["event"] for line in lines]
        assert [entry.direction for entry in recording.entries] == [line["dir"] for line in lines]
        assert (recording.timed, recording.header, recording.end, recording.torn) == (False, None, None, False)
