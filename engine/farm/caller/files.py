"""Where the files of a call go: into the run's folder, or along with the result where a worker does not share it."""

import shutil
import tempfile
from pathlib import Path
from typing import Final, Protocol

from engine.farm.job import Grant, KeptFile

OWNER_ALONE: Final = 0o700
"""Mode of the folder of a try's files."""


def place_of(grant: Grant) -> str:
    """Give the folder of a try's files, below the run's; at most a thousand jobs share one above it."""
    return f"sessions/{grant.job.number // 1000:04d}/{grant.attempt_id}"


class FileSink(Protocol):
    """Takes the files of calls. Its methods block for the length of a few file operations: call them in a thread."""

    def begin(self, grant: Grant) -> Path:
        """Make an empty folder for a try's files; what an earlier, torn one left there is gone.

        Raises:
            OSError: It can't be made.
        """
        ...

    def keep(self, grant: Grant, files: tuple[KeptFile, ...]) -> None:
        """Keep these, and nothing else that is in the folder.

        Raises:
            OSError: They can't be read.
        """
        ...

    def drop(self, grant: Grant) -> None:
        """Remove the folder and all in it. Never raises."""
        ...


class FolderSink:
    """Writes below the run's folder.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def begin(self, grant: Grant) -> Path:
        """Make an empty folder for a try's files."""
        self.drop(grant)
        place = self._place(grant)
        place.mkdir(mode=OWNER_ALONE, parents=True)  # What people say lies there, while they say it.
        return place

    def keep(self, grant: Grant, files: tuple[KeptFile, ...]) -> None:
        """Keep these, and nothing else that is in the folder."""
        kept = {Path(file.path).name for file in files}
        for path in self._place(grant).iterdir():
            if path.name not in kept:
                path.unlink()

    def drop(self, grant: Grant) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self._place(grant), ignore_errors=True)

    def _place(self, grant: Grant) -> Path:
        return self._folder / place_of(grant)


class CollectingSink:
    """Collects contents, for a worker that does not share the run's folder: `take` them along with the results."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="realtime-farm-")
        self._sink = FolderSink(self._scratch.name)
        self._contents: dict[str, dict[str, bytes]] = {}

    def begin(self, grant: Grant) -> Path:
        """Make an empty folder for a try's files."""
        return self._sink.begin(grant)

    def keep(self, grant: Grant, files: tuple[KeptFile, ...]) -> None:
        """Read these, and remove the folder."""
        root = Path(self._scratch.name)
        self._contents[grant.attempt_id] = {file.path: (root / file.path).read_bytes() for file in files}
        self._sink.drop(grant)

    def drop(self, grant: Grant) -> None:
        """Forget all of a try."""
        self._contents.pop(grant.attempt_id, None)
        self._sink.drop(grant)

    def take(self, attempt_id: str) -> dict[str, bytes]:
        """Give a try's contents by path below the run's folder, and forget them."""
        return self._contents.pop(attempt_id, {})

    def close(self) -> None:
        """Remove the scratch folder."""
        self._scratch.cleanup()
