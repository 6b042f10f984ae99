"""The line of each key is found, whatever way TOML writes it."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.plan.lines import key_lines, shown

DOCUMENT = '''\
# a comment = 1
name = "a # b" # after it

["quoted key".'other']
text = """
[not.a.table]
key = 1 \\""" still \\\\
"""""
literal = \'\'\'
x = 'y'\'\'\'
dotted.inner . deep = [ 1,
  [2, 3], # [4]
  { a = "}", b = [ ] },
]

[[many]]
when = 2026-11-23T12:00:00
[many.below]
x = { y.z = 1, w = 'it''s' }
[[many.more]]
n = 1
[[many.more]]
n = 2
[[many]]
  "say\\u0021" = true
'''.replace("'it''s'", '"its"')

LINES = {
    "name": 2,
    "quoted key": 4,
    "quoted key.other": 4,
    "quoted key.other.text": 5,
    "quoted key.other.literal": 9,
    "quoted key.other.dotted": 11,
    "quoted key.other.dotted.inner.deep": 11,
    "quoted key.other.dotted.inner.deep[0]": 11,
    "quoted key.other.dotted.inner.deep[1]": 12,
    "quoted key.other.dotted.inner.deep[1][1]": 12,
    "quoted key.other.dotted.inner.deep[2]": 13,
    "quoted key.other.dotted.inner.deep[2].b": 13,
    "many": 16,
    "many[0]": 16,
    "many[0].when": 17,
    "many[0].below": 18,
    "many[0].below.x": 19,
    "many[0].below.x.y.z": 19,
    "many[0].below.x.w": 19,
    "many[0].more[0]": 20,
    "many[0].more[0].n": 21,
    "many[0].more[1].n": 23,
    "many[1]": 24,
    "many[1].say!": 25,
}


def paths_of(table, above=()):
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        path = (*above, key)
        yield path
        if isinstance(value, (dict, list)):
            yield from paths_of(value, path)


@pytest.mark.parametrize("path", LINES)
def test_it_knows_the_line(path):
    assert {shown(at): line for at, line in key_lines(DOCUMENT).items()}[path] == LINES[path]


def test_it_finds_what_tomllib_finds_and_nothing_else():
    assert set(key_lines(DOCUMENT)) == set(paths_of(tomllib.loads(DOCUMENT)))


def test_odd_texts_come_to_an_end():
    assert list(key_lines("= 1\n!")) == [("=",), ("!",)]


def test_an_empty_text_has_no_keys():
    assert key_lines("") == {}
    assert key_lines("# only words") == {}


KEYS = st.sampled_from(["a", "b-c", '"d e"', "'f.g'", "h1", '"\\u00e9"'])
SCALARS = st.sampled_from(
    [
        "1",
        "-2.5e3",
        "true",
        '"x"',
        '"a\\"b]"',
        "'}#'",
        "1979-05-27T07:32:00Z",
        "inf",
        "0xff",
        '"""m\n"x"\n"""',
        "'''\n]'''",
    ]
)
BLANKS = st.sampled_from(["", " ", "\n  ", " # note ] }\n "])


@st.composite
def arrays(draw, values):
    parts = [draw(BLANKS) + draw(values) + draw(BLANKS) for _ in range(draw(st.integers(0, 3)))]
    return "[" + ",".join(parts) + ("," if parts and draw(st.booleans()) else "") + draw(BLANKS) + "]"


@st.composite
def tables(draw, values):
    keys = draw(st.lists(KEYS, max_size=3, unique=True))
    return "{ " + ", ".join(f"{key} = {draw(values)}" for key in keys) + " }"


VALUES = st.recursive(SCALARS, lambda below: arrays(below) | tables(below), max_leaves=6)


@st.composite
def documents(draw):
    lines = []
    for header in draw(
        st.lists(st.sampled_from(["", "[t]", "[t.u]", "[[m]]", "[[m.n]]", "[m.o]", '[["q r"]]']), max_size=6)
    ):
        lines.append(header)
        lines += [
            f"{key}{draw(st.sampled_from(['', '.z']))} = {draw(VALUES)}" for key in draw(st.lists(KEYS, max_size=3))
        ]
    return "\n".join(lines)


@given(documents())
def test_any_toml_is_walked_as_tomllib_reads_it(text):
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    found = key_lines(text)
    assert set(found) == set(paths_of(table))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())


@given(st.text())
def test_what_is_no_toml_leads_to_no_error(text):
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    key_lines(text)
