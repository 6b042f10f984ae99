"""Looks after the workers of a run on Ray, over all their incarnations."""

import logging
from typing import Final

import trio

from engine.errors import BackendUnavailable
from engine.farm.backends import WorkerSpec
from engine.farm.backends.ray_actor import Hello
from engine.farm.backends.ray_calls import ActorGone, AnswerLate
from engine.farm.backends.ray_library import our_version
from engine.farm.backends.ray_link import RayActor, RayLink
from engine.farm.backends.ray_supplies import Supplies
from engine.farm.link import OnLink

DEATHS_MAX: Final = 5
"""So often in a row a worker may die before it has told one result; then it is given up."""

STEADY_S: Final = 30.0
"""A worker that lived so long had no trouble to start."""

BEGIN_S: Final = 300.0
"""How long a worker may take to load its code, and to fetch the plan's files."""

WAIT_S: Final = 3600.0
"""Between two questions for a worker that Ray has no room for; the run's own bound comes first."""

logger = logging.getLogger(__name__)


class GivenUp(Exception):
    """A worker can't be had; others may."""


class Crew:
    """All workers of a run: how many are up, since when none is, and how many are given up.

    Args:
        count: How many there are to be.
        now: The begin.
    """

    def __init__(self, count: int, now: float) -> None:
        self.count = count
        self.up = 0
        self.none_since = now
        self._given_up = 0
        self._over = False
        self._waiting: set[trio.CancelScope] = set()

    def change(self, by: int) -> None:
        """Take note of a worker that came up or went down."""
        self.up += by
        self.none_since = trio.current_time()

    def give_up(self, why: str) -> None:
        """Go on without a worker.

        Raises:
            BackendUnavailable: It was the last.
        """
        self._given_up += 1
        logger.warning("given up: %s", why)
        if self._given_up == self.count:
            raise BackendUnavailable(why)

    def end(self) -> None:
        """Wait for nobody to come up: the run is over."""
        self._over = True
        for scope in self._waiting:
            scope.cancel()

    async def next_link(self, keeper: "Keeper") -> RayLink | None:
        """Wait for a worker to come up; None where the run is over before."""
        if self._over:
            return None
        with trio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                return await keeper.next_link()
            finally:
                self._waiting.discard(scope)
        return None


class Keeper:
    """Waits for an actor to come up, has the coordinator drive it, and begins again when it is lost.

    Args:
        name: Of the worker.
        actor: Where it runs.
        spec: What it needs to know.
        supplies: What it is given as it begins.
        crew: All workers of the run.
    """

    def __init__(self, name: str, actor: RayActor, spec: WorkerSpec, supplies: Supplies, crew: Crew) -> None:
        self._name = name
        self._actor = actor
        self._spec = spec
        self._supplies = supplies
        self._crew = crew
        self._deaths = 0

    async def run(self, on_link: OnLink) -> None:
        """Keep the worker until the run is over.

        Raises:
            BackendUnavailable: It can't be made or dies as it starts, again and again, and so did all others.
        """
        try:
            while (link := await self._crew.next_link(self)) is not None:
                if await self._live(link, on_link):
                    self._crew.end()
                    return
        except GivenUp as why:
            await self._actor.kill(for_good=True)
            self._crew.give_up(str(why))

    async def _live(self, link: RayLink, on_link: OnLink) -> bool:
        """See an incarnation through to its end; tell whether that is the run's."""
        began_at = trio.current_time()
        self._crew.change(+1)
        try:
            await on_link(link)
        finally:
            self._crew.change(-1)
        if link.lost is None:
            await link.stop(0.0)
            return True
        if not link.lost.confirmed:
            await self._actor.kill(for_good=False)
        steady = link.useful or trio.current_time() - began_at >= STEADY_S
        self._count_death(str(link.lost), steady=steady)
        return False

    async def next_link(self) -> RayLink:
        """Wait for an incarnation to come up, and have it begin.

        Raises:
            GivenUp: There will be none.
        """
        while True:
            hello = await self._hello()
            begin = await self._supplies.begin(self._name, hello)
            try:
                await self._actor.ask("begin", begin, within_s=BEGIN_S)
            except AnswerLate as late:
                await self._actor.kill(for_good=False)
                self._count_death(str(late))
            except ActorGone as gone:
                self._count_death(str(gone))
            except Exception as error:
                raise self._cant(error) from error
            else:
                return RayLink(
                    self._actor,
                    hello,
                    name=self._name,
                    slots=self._spec.slots,
                    shares_folder=begin.shares_folder,
                    memory_max_bytes=self._spec.memory_max_bytes,
                )

    async def _hello(self) -> Hello:
        try:
            while (hello := await self._actor.hello(WAIT_S)) is None:
                pass
        except Exception as error:
            raise self._cant(error) from error
        if hello.engine == our_version():
            return hello
        raise GivenUp(
            f"the node of {self._name} has realtime-engine {hello.engine}, and this process {our_version()} | install "
            "the same on all nodes"
        )

    def _cant(self, error: Exception) -> GivenUp:
        words = " ".join(str(error).split())
        at = words.find("No module named")
        if at < 0:
            return GivenUp(f"{self._name} can't start on its node: {type(error).__name__}: {words[-300:]} | see to it")
        return GivenUp(
            f"{self._name} can't start on its node: {words[at : at + 60]} | install realtime-engine[ray] there, "
            f"version {our_version()}, in the Python that runs `ray start`"
        )

    def _count_death(self, why: str, *, steady: bool = False) -> None:
        self._deaths = 1 if steady else self._deaths + 1
        logger.warning("%s", why)
        if self._deaths >= DEATHS_MAX:
            raise GivenUp(
                f"{self._name} died {self._deaths} times as it started ({why}) | see to what its node's logs say, "
                "worker-*.err in session_latest/logs of Ray's folder, then --resume"
            )
