"""A plan's files on nodes that don't see them: sent in pieces, kept below a scratch folder, and found there."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from engine.errors import FarmError
from engine.farm.job import Grant, Result
from engine.farm.link import Up
from engine.farm.plan.model import FunctionTool, Plan, Say, Scenario, Step, ToolPlan

PIECE_BYTES: Final = 4 * 2**20
"""Size of a piece: small beside an object store, large beside what Ray takes for one (0.1 ms)."""

SENT_MAX_BYTES: Final = 2 * 2**30
"""All files of a plan together, on each worker of a node that does not see them."""

_SCRATCH: Final = "realtime-farm-ray-"


@attrs.frozen
class PlanFile:
    """A file that sessions need: its absolute path, its size, and when it was changed (Unix time in ns)."""

    path: str
    size_bytes: int
    changed_ns: int


Piece = tuple[tuple[str, bool, bytes], ...]
"""Parts of files: a path, whether what follows is the file's begin, and the bytes."""


def listed(folder: str, paths: Iterable[str]) -> tuple[PlanFile, ...]:
    """Look at files.

    Args:
        folder: Where relative paths start.
        paths: Of files; those that are not there are left out, and missed by the sessions that need them.

    Raises:
        FarmError: They are too much to be sent.
    """
    found = tuple(_looked_at(str(path)) for path in _each(folder, paths) if path.is_file())
    total = sum(file.size_bytes for file in found)
    if total > SENT_MAX_BYTES:
        raise FarmError(
            f"the plan's files are {total / 2**30:.1f} GiB, more than the {SENT_MAX_BYTES / 2**30:g} GiB that are sent "
            "to nodes | put them where all nodes see them at the same path, as on NFS"
        )
    return found


def _each(folder: str, paths: Iterable[str]) -> Iterator[Path]:
    for path in dict.fromkeys(Path(os.path.normpath(Path(folder) / path)) for path in paths):
        yield path
        if path.suffix == ".py":
            # What a file of tools imports stands beside it.
            yield from (beside for beside in sorted(path.parent.glob("*.py")) if beside != path)


def _looked_at(path: str) -> PlanFile:
    stat = Path(path).stat()
    return PlanFile(path, stat.st_size, stat.st_mtime_ns)


def is_here(file: PlanFile) -> bool:
    """Tell whether this machine has the same file at the same path."""
    try:
        return _looked_at(file.path) == file
    except OSError:
        return False


def pieces(files: Sequence[PlanFile]) -> Iterator[Piece]:
    """Read files, one piece at a time."""
    piece: list[tuple[str, bool, bytes]] = []
    room = PIECE_BYTES
    for file in files:
        with Path(file.path).open("rb") as opened:
            first = True
            while (part := opened.read(room)) or first:
                piece.append((file.path, first, part))
                first, room = False, room - len(part)
                if room <= 0:
                    yield tuple(piece)
                    piece, room = [], PIECE_BYTES
    if piece:
        yield tuple(piece)


class Scratch:
    """Where a node's worker keeps what it was sent."""

    def __init__(self) -> None:
        sweep()
        self.folder = tempfile.mkdtemp(prefix=f"{_SCRATCH}{_pids()}-{os.getpid()}-")
        self._paths: set[str] = set()

    def add(self, piece: Piece) -> None:
        """Write a piece's parts."""
        for path, first, part in piece:
            place = Path(self.folder + path)
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb" if first else "ab") as opened:
                opened.write(part)
            self._paths.add(path)

    def mirror(self) -> "Mirror":
        """Give the way from paths to files here, once all is written."""
        return Mirror(self.folder, self._paths)


def sweep() -> None:
    """Remove what killed workers of ours left."""
    ours = f"{_SCRATCH}{_pids()}-"
    for folder in Path(tempfile.gettempdir()).glob(f"{ours}*-*"):
        pid = folder.name.removeprefix(ours).partition("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _pids() -> int:
    """Number the world in which process ids mean something: containers may share a folder, and not their processes."""
    with contextlib.suppress(OSError):
        return Path("/proc/self/ns/pid").stat().st_ino
    return 0


class Mirror:
    """Puts files here in the place of a plan's, and the plan's paths back into what is told.

    Args:
        root: Absolute paths are found below it.
        paths: Those that are.
    """

    def __init__(self, root: str, paths: Iterable[str]) -> None:
        self._root = root
        self._known = {str(place) for path in paths for place in (path, *Path(path).parents)} - {"/"}

    def path(self, text: str) -> str:
        """Put the root before a path that is mirrored; other texts stay. `{name}` may stand in it."""
        if not text.startswith("/"):
            return text
        fixed = text.partition("{")[0]
        place = fixed if fixed == text else fixed.rpartition("/")[0]
        return self._root + text if os.path.normpath(place) in self._known else text

    def plan(self, plan: Plan) -> Plan:
        """Have a plan's paths start here."""
        script = plan.target.script
        return attrs.evolve(
            plan,
            folder=self._root + plan.folder,
            target=attrs.evolve(plan.target, script=None if script is None else self.path(script)),
            scenarios=tuple(map(self._scenario, plan.scenarios)),
        )

    def grant(self, grant: Grant) -> Grant:
        """Have a job's paths start here."""
        values = {name: self._value(value) for name, value in grant.job.values.items()}
        return attrs.evolve(grant, job=attrs.evolve(grant.job, values=values))

    def up(self, up: Up) -> Up:
        """Have results speak of the plan's paths."""
        return attrs.evolve(up, results=tuple(map(self._result, up.results))) if up.results else up

    def remove(self) -> None:
        """Remove all that is here."""
        shutil.rmtree(self._root, ignore_errors=True)

    def _value(self, value: Any) -> Any:
        return self.path(value) if isinstance(value, str) else value

    def _scenario(self, scenario: Scenario) -> Scenario:
        return attrs.evolve(
            scenario, turns=tuple(map(self._step, scenario.turns)), tools=tuple(map(self._tool, scenario.tools))
        )

    def _step(self, step: Step) -> Step:
        return attrs.evolve(step, say=self.path(step.say)) if isinstance(step, Say) else step

    def _tool(self, tool: ToolPlan) -> ToolPlan:
        if not isinstance(tool, FunctionTool):
            return tool
        path, colon, name = tool.function.rpartition(":")
        return attrs.evolve(tool, function=f"{self.path(path)}{colon}{name}")

    def _result(self, result: Result) -> Result:
        return attrs.evolve(
            result,
            error=self._told(result.error),
            notes=tuple(map(self._told, result.notes)),
            turns=tuple(attrs.evolve(turn, said=self._told(turn.said)) for turn in result.turns),
            spans=tuple(attrs.evolve(span, text=self._told(span.text)) for span in result.spans),
        )

    def _told(self, text: str) -> str:
        return text.replace(self._root, "") if self._root in text else text
