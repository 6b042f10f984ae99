"""What lies in a page can't break out of it, and links stay where they belong."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.farm.report.embedding import content_security_policy, link_to, packed, packed_json, readable_file

RUN = Path("/runs/one")


@given(
    st.recursive(
        st.text() | st.integers(-(2**53), 2**53), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_packed_json_is_base64_alone_and_comes_back_as_it_was(value):
    text = packed_json(value)
    assert re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text)
    assert orjson.loads(gzip.decompress(base64.b64decode(text))) == value


def test_the_same_bytes_give_the_same_page():
    assert packed(b"x" * 1000) == packed(b"x" * 1000)


def test_the_policy_allows_these_scripts_alone_and_no_connection():
    policy = content_security_policy(["let a = 'ä';"])
    digest = base64.b64encode(hashlib.sha256("let a = 'ä';".encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("sessions/0000/a-1-1/audio.flac", "./sessions/0000/a-1-1/audio.flac"),
        ("javascript:alert(1)", "./javascript%3Aalert%281%29"),
        ("a b/ü?#x.flac", "./a%20b/%C3%BC%3F%23x.flac"),
        ("../other/audio.flac", None),
        ("sessions/../../x", None),
        ("/etc/passwd", None),
        ("//host/x", None),
        ("a\\b", None),
        ("", None),
    ],
)
def test_a_link_stays_below_the_run(path, address):
    assert link_to(path, from_folder=RUN, run_folder=RUN) == address


def test_a_page_elsewhere_links_to_the_runs_folder():
    assert link_to("a/b.flac", from_folder=Path("/pages"), run_folder=RUN) == "./../runs/one/a/b.flac"


@given(st.text())
def test_no_path_makes_a_link_with_a_scheme_or_a_host(path):
    address = link_to(path, from_folder=RUN, run_folder=RUN)
    assert address is None or re.fullmatch(r"\./[A-Za-z0-9_.~%/-]+", address)


def test_only_files_below_the_run_are_read(tmp_path):
    run, secret = tmp_path / "run", tmp_path / "secret.flac"
    (run / "sessions").mkdir(parents=True)
    secret.write_bytes(b"x")
    (run / "sessions" / "a.flac").write_bytes(b"y")
    (run / "sessions" / "out.flac").symlink_to(secret)
    assert readable_file("sessions/a.flac", run).read_bytes() == b"y"
    outside = ["sessions/out.flac", "../secret.flac", str(secret), "sessions", "sessions/none.flac"]
    assert [readable_file(path, run) for path in outside] == [None] * 5


@pytest.mark.parametrize("path", ["sessions/\0.flac", "x" * 5000, "circle/a.flac"])
def test_a_path_that_the_system_refuses_is_no_file(tmp_path, path):
    (tmp_path / "circle").symlink_to("circle")
    assert readable_file(path, tmp_path) is None
