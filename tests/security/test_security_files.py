"""Files from elsewhere: recordings and scripts that unpack without end, point far away, or are no text at all."""

import gzip
import json
import resource
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cli.app import run
from engine.cli.inspect_call import TAPE_MAX_S, seen_call
from engine.errors import ConfigError, LimitExceeded
from engine.recording import files, read_recording
from engine.simulator import load_script

LINE = b'{"dir": "server", "event": {"type": "new.thing", "event_id": "e"}}\n'


def bomb(path, text, times):
    """Write so much text compressed, without having it all."""
    with path.open("wb") as file:
        squeeze = zlib.compressobj(9, wbits=31)
        for _ in range(times):
            file.write(squeeze.compress(text))
        file.write(squeeze.flush())
    return path


@pytest.mark.parametrize("text", [LINE * 20_000, b"\n" * 2**20, b" " * 2**20 + b"\n"], ids=["lines", "none", "blank"])
def test_a_small_file_that_unpacks_to_much_is_not_read_to_its_end(tmp_path, text):
    path = bomb(tmp_path / "bomb.jsonl.gz", text, 20)
    assert path.stat().st_size < len(text) * 20 // 100

    with pytest.raises(LimitExceeded, match=r"READ_MAX_BYTES.*max_bytes="):
        read_recording(path, max_bytes=4 * 2**20)


def test_a_line_without_an_end_is_not_collected(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LINE_MAX_BYTES", 2**20)

    with pytest.raises(LimitExceeded, match="LINE_MAX_BYTES"):
        read_recording(bomb(tmp_path / "bomb.jsonl.gz", b" " * 2**20, 50))


def test_what_a_line_counts_for_bounds_many_short_ones(tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_bytes(LINE * 1_000)
    enough = 1_000 * (len(LINE) - 1 + files.ENTRY_BYTES)

    assert len(read_recording(path, max_bytes=enough).entries) == 1_000
    with pytest.raises(LimitExceeded):
        read_recording(path, max_bytes=enough - 1)


def test_the_memory_that_a_bomb_takes_is_bounded(tmp_path):
    """Two million lines, which would take more, read with a bound of 8 MiB by a process that may have 1 GiB."""
    path = bomb(tmp_path / "bomb.jsonl.gz", LINE * 20_000, 100)
    read = f"from engine.recording import read_recording; read_recording({str(path)!r}, max_bytes=8 * 2**20)"
    ran = subprocess.run(
        [sys.executable, "-c", read],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)),
    )
    assert "LimitExceeded: READ_MAX_BYTES" in ran.stderr


def written(tmp_path, *entries):
    path = tmp_path / "call.jsonl"
    header = {"recording": 1, "audio": "whole"}
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *entries)))
    return path


def delta(at_s):
    fields = {"type": "response.output_audio.delta", "item_id": "i", "content_index": 0, "delta": "AAAA"}
    return {"at": at_s, "dir": "server", "event": fields}


@pytest.mark.parametrize("at_s", [1e9, 1e18, 1e300])
def test_sound_that_is_put_far_away_takes_no_memory(tmp_path, at_s):
    call = seen_call(read_recording(written(tmp_path, delta(1.0), delta(at_s))))

    assert len(call.tape.agent) < TAPE_MAX_S * 48_000
    assert len(call.tape.agent) > 0


@pytest.mark.parametrize(
    "words", ["that costs $5 and $\\frac{", "$x^$", "$\\undefined$", "\x1b[2J", "日本語", "#" * 100_000]
)
def test_words_are_no_formulas_in_the_picture(tmp_path, words, capsys):
    said = {"type": "response.output_audio_transcript.delta", "item_id": "i", "content_index": 0, "delta": words}
    called = {
        "type": "response.function_call_arguments.done",
        "call_id": "c",
        "name": words,
        "arguments": '{"x":"$^$"}',
    }
    item = {"type": "function_call_output", "call_id": "c", "output": words}
    heard = {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"text": words}]},
    }
    entries = [
        delta(1.0),
        {"at": 1.1, "dir": "server", "event": said},
        {"at": 1.2, "dir": "server", "event": called},
        {"at": 1.3, "dir": "client", "event": {"type": "conversation.item.create", "item": item}},
        {"at": 1.4, "dir": "client", "event": heard},
    ]
    picture = tmp_path / "picture.png"
    path = written(tmp_path, *entries)

    assert run(["inspect", str(path), "--out", str(picture)]) == 0, capsys.readouterr().err
    assert picture.read_bytes().startswith(b"\x89PNG")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TYPES = ["session.created", "response.output_audio.delta", "input_audio_buffer.append", "error", "response.done"]
FIELDS = [
    "session",
    "delta",
    "audio",
    "error",
    "response",
    "item_id",
    "audio_bytes",
    "item",
    "model",
    "voice",
    "output",
]
hostile = st.fixed_dictionaries(
    {"type": st.sampled_from(TYPES)},
    optional={
        field: json_values | st.dictionaries(st.sampled_from([*FIELDS, "format", "type"]), json_values, max_size=3)
        for field in FIELDS
    },
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["client", "server"]), hostile), max_size=6))
def test_inspect_takes_whatever_stands_in_the_fields(tmp_path_factory, entries):
    path = written(
        tmp_path_factory.mktemp("hostile"), *({"at": 0.5, "dir": way, "event": event} for way, event in entries)
    )

    assert run(["inspect", str(path)]) in (0, 2)


@pytest.mark.parametrize("text", ["x = " + "[" * 100_000, "[" * 100_000, "x = " + "{y = " * 50_000])
def test_a_script_without_a_floor_is_refused(tmp_path, text):
    path = tmp_path / "script.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match="script"):
        load_script(path)


def test_a_compressed_recording_of_any_length_is_found_by_its_content_not_its_name(tmp_path):
    path = tmp_path / "call.txt"
    path.write_bytes(gzip.compress(LINE))

    assert len(read_recording(path).entries) == 1
