"""Looks after one worker of a run on Ray, over all its incarnations."""

from collections.abc import Callable
from typing import Final

import attrs
import trio

from engine import __version__
from engine.errors import BackendUnavailable
from engine.farm.backends import WorkerSpec
from engine.farm.backends.ray_actor import Hello
from engine.farm.backends.ray_calls import ActorGone, AnswerLate
from engine.farm.backends.ray_link import RayActor, RayLink
from engine.farm.backends.ray_supplies import Supplies
from engine.farm.link import OnLink

DEATHS_MAX: Final = 3
"""A worker that dies so often in a row as it starts is given up."""

YOUNG_S: Final = 5.0
"""A worker that dies sooner died as it started."""

BEGIN_S: Final = 300.0
"""How long a worker may take to load its code, and to fetch the plan's files."""

WAIT_S: Final = 3600.0
"""Between two questions for a worker that Ray has no room for; the run's own bound comes first."""


class Up:
    """How many workers are up, and since when none is.

    Args:
        now: The begin.
    """

    def __init__(self, now: float) -> None:
        self.count = 0
        self.none_since = now

    def change(self, by: int) -> None:
        """Take note of a worker that came up or went down."""
        self.count += by
        self.none_since = trio.current_time()


@attrs.define
class Keeper:
    """Waits for an actor to come up, has the coordinator drive it, and begins again when it is lost.

    Attributes:
        name: Of the worker.
        actor: Where it runs.
        spec: What it needs to know.
        supplies: What it is given as it begins.
        up: Told when it is up.
        on_over: Called when the run is over.
    """

    name: str
    actor: RayActor
    spec: WorkerSpec
    supplies: Supplies
    up: Up
    on_over: Callable[[], None]
    _deaths: int = attrs.field(init=False, default=0)
    _waiting: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    async def run(self, on_link: OnLink) -> None:
        """Keep the worker until the run is over.

        Raises:
            BackendUnavailable: It can't be made, or dies as it starts, again and again.
        """
        while True:
            link = None
            with self._waiting:
                link = await self._next_link()
            if link is None:
                return
            began_at = trio.current_time()
            self.up.change(+1)
            try:
                await on_link(link)
            finally:
                self.up.change(-1)
            if link.lost is None:
                self.on_over()
                await link.stop(0.0)
                return
            if not link.lost.confirmed:
                await self.actor.kill(for_good=False)
            self._count_death(str(link.lost), trio.current_time() - began_at)

    def end_wait(self) -> None:
        """Wait no longer for it to come up: the run is over."""
        self._waiting.cancel()

    async def _next_link(self) -> RayLink:
        while True:
            hello = await self._hello()
            begin = await self.supplies.begin(self.name, hello)
            try:
                await self.actor.ask("begin", begin, within_s=BEGIN_S)
            except AnswerLate as late:
                await self.actor.kill(for_good=False)
                self._count_death(str(late), 0.0)
            except ActorGone as gone:
                self._count_death(str(gone), 0.0)
            except Exception as error:
                raise self._cant(error) from error
            else:
                return RayLink(
                    self.actor,
                    hello,
                    name=self.name,
                    slots=self.spec.slots,
                    shares_folder=begin.shares_folder,
                    memory_max_bytes=self.spec.memory_max_bytes,
                )

    async def _hello(self) -> Hello:
        try:
            while (hello := await self.actor.hello(WAIT_S)) is None:
                pass
        except Exception as error:
            raise self._cant(error) from error
        if hello.engine != __version__:
            message = (
                f"the node of {self.name} has realtime-engine {hello.engine}, and this process {__version__} | install "
                "the same on all nodes"
            )
            raise BackendUnavailable(message)
        return hello

    def _cant(self, error: Exception) -> BackendUnavailable:
        words = " ".join(str(error).split())
        if "No module named" in words or isinstance(error, ImportError):
            found = words[words.find("No module named") :][:80] if "No module named" in words else words[:200]
            return BackendUnavailable(
                f"{self.name} can't start on its node: {found} | install realtime-engine[ray] {__version__} there, in "
                "the Python that runs `ray start`"
            )
        return BackendUnavailable(f"{self.name} can't start on its node: {type(error).__name__}: {words[-300:]}")

    def _count_death(self, why: str, age_s: float) -> None:
        self._deaths = self._deaths + 1 if age_s < YOUNG_S else 0
        if self._deaths >= DEATHS_MAX:
            raise BackendUnavailable(
                f"{self.name} died {self._deaths} times in a row as it started: {why} | its node's logs tell more: "
                "worker-*.err in the folder session_latest/logs of Ray's"
            )
