"""Runs commands in this process, as the console script does, without the user's own environment."""

import os
from collections.abc import Callable, Sequence

import attrs
import pytest

from engine.cli.app import run


@attrs.frozen
class Outcome:
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORGANIZATION", "OPENAI_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    def call(*arguments: str, typed: Sequence[str] = ()) -> Outcome:
        reading, writing = os.pipe()
        with os.fdopen(writing, "w") as lines:
            lines.write("\n".join(typed))
        with os.fdopen(reading) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            code = run([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return call
