"""One fast run of the demo, which all tests of this folder look at."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest

from engine.cli.app import run


@attrs.frozen
class Demo:
    """What `realtime-engine demo --fast` left: exit code, screen, folder, log."""

    code: int
    screen: str
    folder: Path
    log: list[dict[str, Any]]

    def events(self, layer: str, direction: str, *types: str) -> Iterator[tuple[float, dict[str, Any]]]:
        for entry in self.log:
            if (entry["layer"], entry["dir"]) == (layer, direction) and (not types or entry["event"]["type"] in types):
                yield entry["t"], entry["event"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo") / "made" / "by-the-demo"
    with pytest.MonkeyPatch.context() as patch:
        screen = _captured(patch)
        code = run(["demo", "--fast", "--out", str(folder)])
    log = [orjson.loads(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    return Demo(code, screen.getvalue(), folder, log)


def _captured(patch: pytest.MonkeyPatch) -> Any:
    screen = io.StringIO()
    patch.setattr("sys.stdout", screen)
    patch.setenv("COLUMNS", "120")
    return screen
