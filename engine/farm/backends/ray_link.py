"""The coordinator's link to one incarnation of an actor."""

from typing import Any, Final

import trio

from engine.farm.backends.ray_actor import Hello, Look, OtherIncarnation
from engine.farm.backends.ray_calls import ActorGone, AnswerLate, answer
from engine.farm.backends.ray_cluster import Cluster, in_thread
from engine.farm.link import Down, LinkLost, Up

ASK_S: Final = 2.0
"""How long an actor may take to say hello."""

KILL_S: Final = 15.0
"""How long Ray may take to kill a worker and to start it again: 6.5 s for one that does not listen (measured)."""

PAUSE_S: Final = 0.25
"""Between two questions whether an actor is up again."""

END_S: Final = 5.0
"""How long a worker may take to end beyond its grace."""


class RayActor:
    """One of the run's actors: the same over all its incarnations.

    Args:
        cluster: Where it lives.
        handle: Ray's.
        look: What it is to look for on its node.
    """

    def __init__(self, cluster: Cluster, handle: Any, look: Look) -> None:
        self.cluster = cluster
        self.handle = handle
        self.look = look

    async def ask(self, method: str, *args: Any, within_s: float) -> Any:
        """Call a method.

        Raises:
            AnswerLate: It took longer.
            ActorGone: Its process died, or can't be reached.
            Exception: What the method raised.
        """
        return await answer(self.cluster.ray, getattr(self.handle, method).remote(*args), within_s=within_s)

    async def hello(self, within_s: float) -> Hello | None:
        """Give the incarnation that lives, or will; None where there was none in time.

        Raises:
            ActorGone: There will be none.
            Exception: It can't be made on its node.
        """
        with trio.move_on_after(within_s):
            while True:
                try:
                    hello: Hello = await self.ask("hello", self.look, within_s=max(ASK_S, within_s))
                except AnswerLate:
                    pass
                except ActorGone as gone:
                    if gone.final:
                        raise
                else:
                    return hello
                await trio.sleep(PAUSE_S)
        return None

    async def kill(self, *, for_good: bool) -> None:
        """End its process now; Ray starts it again unless it is for good."""
        await in_thread(lambda: self.cluster.ray.kill(self.handle, no_restart=for_good))


class RayLink:
    """A worker on a cluster's node.

    Args:
        actor: Where it runs.
        hello: Its incarnation.
        name: Of the worker.
        slots: Sessions that it takes at a time.
        shares_folder: It writes into the run's folder itself.
        memory_max_bytes: It is killed when it has more.

    Attributes:
        lost: How it was lost; None while it is not.
        useful: It told a result.
    """

    def __init__(
        self,
        actor: RayActor,
        hello: Hello,
        *,
        name: str,
        slots: int | None,
        shares_folder: bool,
        memory_max_bytes: int | None = None,
    ) -> None:
        self._actor = actor
        self._hello = hello
        self._name = name
        self._slots = slots
        self._shares_folder = shares_folder
        self._memory_max_bytes = memory_max_bytes
        self.lost: LinkLost | None = None
        self.useful = False

    @property
    def name(self) -> str:
        """Name the worker, the same after a new start."""
        return self._name

    @property
    def slots(self) -> int | None:
        """Tell how many sessions it takes at a time; None for any number."""
        return self._slots

    @property
    def shares_folder(self) -> bool:
        """Tell whether it writes files into the run's folder itself."""
        return self._shares_folder

    async def exchange(self, down: Down) -> Up:
        """Tell and be told, within the lease.

        Raises:
            LinkLost: It is gone, or silent.
        """
        if self.lost is not None:
            raise self.lost
        try:
            up = await self._exchange(down)
        except AnswerLate:
            lost = await self._killed(f"{self._name} was silent for {down.linger_s + down.lease_s:g} s, and was killed")
        except OtherIncarnation:
            lost = LinkLost(f"{self._name} died, and was started again", confirmed=await self._died_alone())
        except ActorGone as gone:
            lost = LinkLost(f"{self._name} died: {gone}", confirmed=await self._known_dead(down.lease_s))
        else:
            self.useful = self.useful or bool(up.results)
            await self._bound_memory(up)
            return up
        self.lost = lost
        raise lost

    async def _bound_memory(self, up: Up) -> None:
        """Kill a worker that has too much. What it just told stands: these sessions have ended."""
        if self._memory_max_bytes is None or up.memory_bytes <= self._memory_max_bytes:
            return
        taken, bound = up.memory_bytes >> 20, self._memory_max_bytes >> 20
        why = f"{self._name} took {taken:,} MiB of memory, over its bound of {bound:,}, and was killed"
        self.lost = await self._killed(why)

    async def stop(self, grace_s: float) -> None:
        """End the worker, at the latest after the grace."""
        try:
            await self._actor.ask("stop", self._hello.incarnation, grace_s, within_s=grace_s + END_S)
        except (AnswerLate, ActorGone, OtherIncarnation):
            return

    async def _exchange(self, down: Down) -> Up:
        within_s = down.linger_s + down.lease_s
        up: Up = await self._actor.ask("exchange", self._hello.incarnation, down, within_s=within_s)
        return up

    async def _killed(self, why: str) -> LinkLost:
        """Kill it, and wait until that is known: a stopped process keeps its connections, whatever its lease says."""
        with trio.move_on_after(ASK_S):
            await self._actor.kill(for_good=False)
        return LinkLost(why, confirmed=await self._known_dead(KILL_S))

    async def _known_dead(self, within_s: float) -> bool:
        """Wait until Ray has started it again, which it does when it knows that the process is gone."""
        try:
            hello = await self._actor.hello(within_s)
        except Exception:  # noqa: BLE001 - whatever keeps it from coming back, nobody has said that it is dead
            return False
        return hello is not None and hello.incarnation != self._hello.incarnation and await self._died_alone()

    async def _died_alone(self) -> bool:
        """Tell whether its node lives, and so has seen its process end. A node that Ray gave up may be cut off only."""
        with trio.move_on_after(ASK_S):
            return await self._actor.cluster.node_lives(self._hello.node_id)
        return False
