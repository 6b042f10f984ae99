"""Stands in for the Ray library: actors that do what a test says, called in this loop, in virtual time."""

import contextlib
from concurrent.futures import Future
from types import SimpleNamespace

import trio

from engine.farm.backends.ray_actor import Hello
from engine.farm.backends.ray_library import our_version
from engine.farm.link import Up


class RayError(Exception):
    pass


class RayTaskError(RayError):
    def __init__(self, cause):
        super().__init__(str(cause))
        self.cause = cause


class RayActorError(RayError):
    pass


class ActorUnavailableError(RayActorError):
    pass


class ActorDiedError(RayActorError):
    pass


class WorkerCrashedError(RayError):
    pass


ERRORS = SimpleNamespace(
    RayTaskError=RayTaskError,
    RayActorError=RayActorError,
    ActorDiedError=ActorDiedError,
    ActorUnavailableError=ActorUnavailableError,
    WorkerCrashedError=WorkerCrashedError,
)
GONE = ActorUnavailableError(
    "The actor 0a1b is unavailable: The actor is temporarily unavailable: RpcError: Socket closed. "
    "The task may or may not have been executed on the actor."
)


class Ref:
    def __init__(self):
        self._future = Future()

    def future(self):
        return self._future


class Handle:
    """An actor. A killed one is up again, as another incarnation, after `restart_s`.

    Args:
        nursery: Where its methods run.
        restart_s: Until it is up again; None for never.
        engine: Version that it tells.
        begins: What its `begin` raises, one after the other; None for nothing.
    """

    def __init__(self, nursery, *, restart_s=2.0, engine=None, begins=()):
        self.nursery = nursery
        self.restart_s = restart_s
        self.engine = engine or our_version()
        self.begins = list(begins)
        self.life = 1
        self.node_id = "node-a"
        self.dead = False
        self.final = False
        self.silent = False
        self.memory_bytes = 1
        self.killed = []
        self.asked = []
        self._open = []

    def __getattr__(self, name):
        return SimpleNamespace(remote=lambda *args: self._call(name, args))

    def _call(self, name, args):
        ref = Ref()
        self.asked.append(name)
        if self.final:
            ref.future().set_exception(ActorDiedError("The actor died"))
        elif self.dead:
            ref.future().set_exception(GONE)
        elif not self.silent:
            self._open.append(ref)
            self.nursery.start_soon(self._answer, ref, name, args)
        else:
            self._open.append(ref)
        return ref

    async def _answer(self, ref, name, args):
        life = self.life
        try:
            found = await getattr(self, f"on_{name}")(*args)
        except Exception as error:  # noqa: BLE001 - told by the reference
            found = error
        if ref.future().done() or life != self.life:
            return
        if isinstance(found, Exception):
            ref.future().set_exception(found if isinstance(found, RayError) else RayTaskError(found))
        else:
            ref.future().set_result(found)

    async def on_hello(self, look):
        return Hello(
            incarnation=str(self.life),
            node_id=self.node_id,
            pid=1,
            host="here",
            engine=self.engine,
            sees_folder=True,
            sees_files=True,
        )

    async def on_begin(self, begin):
        error = self.begins.pop(0) if self.begins else None
        if error is GONE:
            self.die()
        if error is not None:
            raise error

    async def on_exchange(self, incarnation, down):
        await trio.sleep(down.linger_s)
        return Up(memory_bytes=self.memory_bytes)

    async def on_stop(self, incarnation, grace_s):
        self.dead = True

    def die(self, *, for_good=False):
        """Its process ends."""
        self.dead, self.silent, self.final = True, False, for_good
        self.life += 1
        for ref in self._open:
            with contextlib.suppress(Exception):
                ref.future().set_exception(GONE)
        self._open.clear()
        if not for_good and self.restart_s is not None:
            self.nursery.start_soon(self._restart)

    async def _restart(self):
        await trio.sleep(self.restart_s)
        self.dead = False


class StandIn:
    """The library, and the cluster, in one."""

    exceptions = ERRORS

    def __init__(self):
        self.nodes_alive = {"node-a": True}
        self.ray = self

    def kill(self, handle, *, no_restart):
        handle.killed.append(no_restart)
        # Ray's own thread would do it; here the loop is in the caller's hands.
        trio.from_thread.run_sync(lambda: handle.die(for_good=no_restart))

    async def node_lives(self, node_id):
        return self.nodes_alive.get(node_id, False)

    async def put(self, thing):
        return thing
