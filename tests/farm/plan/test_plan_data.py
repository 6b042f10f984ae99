"""Data sets become rows: folders of sounds, CSV files and JSON lines; what is wrong is told with file and line."""

import os
import sys
from pathlib import Path

import pytest
from plans_made import GOOD, line_of, load_text, write_plan, write_sound

from engine.errors import ConfigError
from engine.farm.plan import data
from engine.farm.plan.data import read_rows
from engine.farm.plan.load import load_plan


def test_a_folder_gives_a_row_for_each_sound_in_the_order_of_names(tmp_path):
    for name in ("set/b.wav", "set/a.WAV", "set/sub/c.flac", "set/notes.md", "set/.hidden.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "set/b.txt").write_text("What is\n the weather?\n")
    assert read_rows("set", tmp_path) == (
        {"file": "set/a.WAV", "name": "a"},
        {"file": "set/b.wav", "name": "b", "text": "What is the weather?"},
        {"file": "set/sub/c.flac", "name": "c"},
    )


def test_a_folder_elsewhere_is_named_by_its_absolute_path(tmp_path):
    write_sound(tmp_path / "elsewhere/a.wav", 0.1)
    (tmp_path / "here").mkdir()
    rows = read_rows(tmp_path / "elsewhere", tmp_path / "here")
    assert rows == ({"file": str(tmp_path / "elsewhere/a.wav"), "name": "a"},)


def test_a_csv_gives_texts_by_column(tmp_path):
    (tmp_path / "a.csv").write_text('\ufeffcity , age\n"Oslo, ""N""",3\n\n"two\nlines",\n', "utf-8")
    assert read_rows("a.csv", tmp_path) == ({"city": 'Oslo, "N"', "age": "3"}, {"city": "two\nlines", "age": ""})


@pytest.mark.parametrize("mark", ["\u2028", "\x0b", "\x0c", "\x1e", "\x85"])
def test_a_csvs_rows_end_where_its_lines_do(tmp_path, mark):
    (tmp_path / "a.csv").write_text(f"say,n\nHello{mark}there.,1\r\nBye.,2\n", "utf-8")
    assert read_rows("a.csv", tmp_path) == ({"say": f"Hello{mark}there.", "n": "1"}, {"say": "Bye.", "n": "2"})


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes there")
def test_a_sound_whose_name_is_no_text_is_refused(tmp_path):
    write_sound(tmp_path / "set/a.wav", 0.1)
    (tmp_path / "set/a.wav").rename(tmp_path / os.fsdecode(b"set/\xff.wav"))
    with pytest.raises(ConfigError, match=r"set/\?\.wav: the name is no UTF-8 .*; allowed: a name in UTF-8"):
        read_rows("set", tmp_path)


def test_json_lines_give_values_of_all_kinds(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1, "b": [true]}\n\n{"a": "x"}\n')
    assert read_rows("a.jsonl", tmp_path) == ({"a": 1, "b": [True]}, {"a": "x"})


WRONG = {
    "none.csv": (None, "none.csv: the data set is not there; allowed: a folder of sound files, or a file that ends in"),
    "a.xlsx": (b"PK", "a.xlsx: the data set is of no kind that is known"),
    "empty.csv": (b"", "empty.csv: the data set is empty"),
    "header.csv": (b"a,b\n", "header.csv: the data set is empty: no row; allowed: at least one row"),
    "blank.jsonl": (b"\n\n", "blank.jsonl: the data set is empty"),
    "wide.csv": (b"a,b\n1,2\n1,2,3\n", "wide.csv:3: 3 values, where the first line names 2 columns"),
    "twice.csv": (b"a,b,a\n1,2,3\n", "twice.csv:1: column 3 'a' is there twice"),
    "unnamed.csv": (b"a,,b\n1,2,3\n", "unnamed.csv:1: column 2 has no name"),
    "braces.csv": (b"a,{b}\n1,2\n", "braces.csv:1: column 2 has braces"),
    "quote.csv": (b'a,b\n"x"y,2\n', "quote.csv:2: no CSV"),
    "bytes.csv": (b"a\n\xff\n", "bytes.csv: no UTF-8 text (byte 2)"),
    "broken.jsonl": (b'{"a": 1}\n{"a": \n', "broken.jsonl:2: no JSON"),
    "list.jsonl": (b"[1]\n", "list.jsonl:1: a list; allowed: one JSON object a line"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path, name):
    content, words = WRONG[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_rows(name, tmp_path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_sounds_is_empty(tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(ConfigError, match=r"the data set is empty: no file that ends in \.wav"):
        read_rows("set", tmp_path)


def test_a_data_set_has_a_bound_in_bytes_and_in_rows(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    monkeypatch.setattr(data, "DATA_MAX_BYTES", 3)
    with pytest.raises(ConfigError, match="larger than DATA_MAX_BYTES"):
        read_rows("a.csv", tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(data, "JOBS_MAX", 0)
    with pytest.raises(ConfigError, match="1 rows, more than JOBS_MAX"):
        read_rows("a.csv", tmp_path)


def test_a_data_set_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text("a\n1\n")

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(ConfigError, match=r"a\.csv: can't be read \(Permission denied\)"):
        read_rows("a.csv", tmp_path)


WITH_DATA = GOOD.replace("matrix = {", 'data = "rows.csv"\nmatrix = {').replace('"Hello, {voice}"', '"Hello, {who}"')


def test_columns_fill_the_texts_of_a_plan(tmp_path):
    (tmp_path / "rows.csv").write_text("who\nAda\nBob\n")
    plan = load_text(tmp_path, WITH_DATA)
    assert plan.scenarios[0].rows == ({"who": "Ada"}, {"who": "Bob"})
    assert plan.scenarios[0].data == "rows.csv"


def refused(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        load_plan(write_plan(tmp_path, text))
    return str(caught.value)


def test_a_column_that_is_missing_is_told_where_it_is_asked_for(tmp_path):
    (tmp_path / "rows.csv").write_text("name\nAda\n")
    message = refused(tmp_path, WITH_DATA)
    line = line_of(WITH_DATA, "{who}")
    assert f"plan.toml:{line}: scenario[0].turns[0].type: {{who}} has no value" in message
    assert "allowed: the names name, voice, speed" in message


def test_a_row_without_a_value_is_told_by_its_number(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"who": "Ada"}\n{"name": "Bob"}\n')
    message = refused(tmp_path, WITH_DATA.replace("rows.csv", "rows.jsonl"))
    assert "row 2 of rows.jsonl has no 'who' | give it one" in message


def test_a_data_set_that_is_missing_is_told_with_its_line(tmp_path):
    assert f"plan.toml:{line_of(WITH_DATA, 'rows.csv')}: " in refused(tmp_path, WITH_DATA)


def test_a_column_and_a_choice_of_one_name_are_refused(tmp_path):
    (tmp_path / "rows.csv").write_text("who,voice\nAda,alloy\n")
    message = refused(tmp_path, WITH_DATA)
    assert f"plan.toml:{line_of(WITH_DATA, 'matrix')}: scenario[0].matrix.voice" in message
    assert "a name that is no column of the data" in message


def test_each_sound_that_a_column_names_is_looked_for(tmp_path):
    (tmp_path / "rows.csv").write_text("who\nAda\n")
    (tmp_path / "rows.csv").write_text("who,sound\nAda,hello.wav\nBob,bob.wav\n")
    message = refused(tmp_path, WITH_DATA.replace('say = "hello.wav"', 'say = "{sound}"'))
    assert f"{tmp_path / 'bob.wav'} is not there" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("who;town\nAda;Rome\n", "rows.csv:1: one column, 'who;town', with semicolons in its name; allowed: columns"),
        ("who\ttown\nAda\tRome\n", "with tabs in its name"),
        ("who,town\nAda\n", "rows.csv:2: 1 value, where the first line names 2 columns"),
        (f"who\n{'x' * 200_000}\n", "rows.csv:2: a value is longer than 131,072 characters; allowed: shorter values"),
    ],
)
def test_a_table_of_another_kind_is_told(tmp_path, content, words):
    (tmp_path / "rows.csv").write_text(content)
    assert words in refused(tmp_path, WITH_DATA)


def test_where_a_json_line_breaks_is_told_once(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"who": "Ada"}\n{"who": \n')
    message = refused(tmp_path, WITH_DATA.replace("rows.csv", "rows.jsonl"))
    assert "rows.jsonl:2: no JSON: unexpected end of data (character 9); allowed: one JSON object a line" in message
