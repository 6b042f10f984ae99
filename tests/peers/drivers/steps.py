"""Plays a list of steps on a `BidiOpenAIRealtimeModel`, whoever made it: the seed's on asyncio, ours on Trio.

The same code does both, so both get the same inputs. It knows neither: an adapter gives the classes. Needs anyio only.
"""

import anyio

STOP_DEADLINE_S = 5.0


def told(error):
    """Write an exception as JSON."""
    return {
        "classes": [each.__name__ for each in type(error).__mro__ if each is not object],
        "module": type(error).__module__,
        "text": str(error),
        "cause": type(error.__cause__).__name__ if error.__cause__ is not None else None,
    }


class Play:
    """One job.

    Args:
        adapter: `make(url, settings)` gives a model; the classes of input events are attributes.
        job: `{"url", "model": {...}, "steps": [...], "patience_s"}`.
        group: Runs the reader.
    """

    def __init__(self, adapter, job, group):
        self._adapter = adapter
        self._job = job
        self._group = group
        self._model = None
        self._reader = anyio.CancelScope()
        self._news = anyio.Event()
        self.events = []
        self.outcomes = []
        self.end = None

    async def run(self):
        """Play all steps; what each raised is kept, never raised."""
        for step in self._job["steps"]:
            outcome = {"do": step["do"], "raised": None}
            try:
                outcome |= await getattr(self, "_" + step["do"])(step) or {}
            except Exception as error:  # noqa: BLE001 - whatever it raises is compared
                outcome["raised"] = told(error)
            self.outcomes.append(outcome)

    async def finish(self):
        """Leave nothing behind."""
        self._reader.cancel()
        if self._model is not None:
            with anyio.move_on_after(STOP_DEADLINE_S, shield=True):
                await self._model.stop()

    async def _make(self, step):
        self._model = self._adapter.make(self._job["url"], step)

    async def _start(self, step):
        await self._model.start(**{key: value for key, value in step.items() if key != "do"})

    async def _receive(self, step):
        self._reader = anyio.CancelScope()
        self.end = None
        self._group.start_soon(self._read, self._reader)

    async def _read(self, scope):
        end = {"returned": True}
        with scope:
            try:
                async for event in self._model.receive():
                    self.events.append(dict(event))
                    self._tell()
            except Exception as error:  # noqa: BLE001 - whatever it raises is compared
                end = {"raised": told(error)}
            self.end = end
            self._tell()

    async def _receive_first(self, step):
        async for _ in self._model.receive():
            return

    async def _send(self, step):
        await self._model.send(self._content(step))

    def _content(self, step):
        if "text" in step:
            return self._adapter.BidiTextInputEvent(**{key: step[key] for key in ("text", "role") if key in step})
        if "audio" in step:
            return self._adapter.BidiAudioInputEvent(step["audio"], "pcm", 24000, 1)
        if "image" in step:
            return self._adapter.BidiImageInputEvent(step["image"], "image/png")
        if "tool_result" in step:
            return self._adapter.ToolResultEvent(step["tool_result"])
        return step["other"]

    async def _await(self, step):
        wanted, count = step["type"], step.get("count", 1)
        with anyio.move_on_after(step.get("patience_s", self._job["patience_s"])):
            while sum(event["type"] == wanted for event in self.events) < count:
                if self.end is not None:
                    return {"seen": False}
                await self._next_news()
            return {"seen": True}
        return {"seen": False}

    async def _await_end(self, step):
        with anyio.move_on_after(self._job["patience_s"]):
            while self.end is None:
                await self._next_news()
        return {"seen": self.end is not None}

    async def _stop(self, step):
        with anyio.move_on_after(STOP_DEADLINE_S) as scope:
            await self._model.stop()
        return {"hung": scope.cancelled_caught}

    def _tell(self):
        self._news.set()

    async def _next_news(self):
        if self._news.is_set():
            self._news = anyio.Event()
        await self._news.wait()


async def play(adapter, job):
    """Play a job and give `{"events", "outcomes", "end"}`."""
    async with anyio.create_task_group() as group:
        one = Play(adapter, job, group)
        try:
            await one.run()
        finally:
            end = one.end
            await one.finish()
        group.cancel_scope.cancel()
    return {"events": one.events, "outcomes": one.outcomes, "end": end}
