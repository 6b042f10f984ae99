"""What a run's workers need, in Ray's object store: plan, key, and the plan's files for nodes that don't see them."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from engine.farm.backends import WorkerSpec
from engine.farm.backends.ray_actor import Begin, Hello, Look, host_of_loopback
from engine.farm.backends.ray_cluster import Cluster
from engine.farm.backends.ray_files import listed, pieces
from engine.farm.plan.files import files_of


class Supplies:
    """What workers are given as they begin.

    Args:
        cluster: Where they live.
        spec: What they need to know.
        look: What they are to look for.
        shared: Whether they see this machine's files. None believes what they saw.
    """

    def __init__(self, cluster: Cluster, spec: WorkerSpec, look: Look, *, shared: bool | None) -> None:
        self.look = look
        self._cluster = cluster
        self._spec = spec
        self._shared = shared
        self._spec_ref: Any = None
        self._pieces: tuple[Any, ...] | None = None
        self._putting = trio.Lock()

    async def begin(self, name: str, hello: Hello) -> Begin:
        """Say with what a worker begins that presents itself so."""
        sees_folder = hello.sees_folder if self._shared is None else self._shared
        sees_files = hello.sees_files if self._shared is None else self._shared
        async with self._putting:
            if self._spec_ref is None:
                self._spec_ref = await self._cluster.put(self._spec)
            if not sees_files and self._pieces is None:
                self._pieces = await self._put_files()
        ours = self._spec.plan.target.kind == "simulator" and hello.host != host_of_loopback()
        return Begin(
            name=name,
            spec=self._spec_ref,
            files=None if sees_files else self._pieces,
            shares_folder=sees_folder,
            own_simulator=ours,
        )

    async def _put_files(self) -> tuple[Any, ...]:
        refs = []
        reading = pieces(self.look.files)
        while (piece := await trio.to_thread.run_sync(next, reading, None)) is not None:
            refs.append(await self._cluster.put(piece))
        return tuple(refs)


@asynccontextmanager
async def supplies(cluster: Cluster, spec: WorkerSpec, *, shared: bool | None) -> AsyncIterator[Supplies]:
    """Make supplies for the time of the block, and a mark in the run's folder by which nodes know it.

    Raises:
        FarmError: The plan's files are too large to be sent.
    """
    files = await trio.to_thread.run_sync(lambda: listed(spec.plan.folder, files_of(spec.plan)))
    look = Look(folder=spec.folder, mark=f".ray-{secrets.token_hex(4)}", word=secrets.token_hex(16), files=files)
    mark = trio.Path(look.folder) / look.mark
    await mark.write_text(look.word, "ascii")
    try:
        yield Supplies(cluster, spec, look, shared=shared)
    finally:
        with trio.CancelScope(shield=True):
            await mark.unlink(missing_ok=True)
