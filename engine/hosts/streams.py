"""Stand-ins for what is iterated over beside the session's events: raw events, paced audio, responses of their own."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from engine.actors.audio_out import AudioOut
from engine.events import BidiOutputEvent
from engine.hosts.home import Home
from engine.hosts.stand_in import StandIn, crossed, hopped, seen
from engine.raw import Raw, RawEvent, Tap
from engine.session.responses import Responses, ResponseStream

T = TypeVar("T")
E = TypeVar("E")


class HostedStream(StandIn[T], Generic[T, E]):
    """Stands in for an asynchronous iterator. What came over for a caller that was cancelled is for the next one."""

    def __init__(self, it: T, home: Home) -> None:
        super().__init__(it, home)
        self._kept: deque[E] = deque()

    async def __anext__(self) -> E:
        if self._kept:
            return self._kept.popleft()
        stream: Any = self._it
        return await self._home.cross_or_undo(stream.__anext__, self._kept.append)


class HostedTap(HostedStream[Tap, RawEvent]):
    """Stands in for `engine.raw.Tap`."""

    dropped = seen("dropped")

    def __aiter__(self) -> AsyncIterator[RawEvent]:
        return self


class HostedRaw(StandIn[Raw]):
    """Stands in for `engine.raw.Raw`."""

    listened_to = seen("listened_to")
    send = crossed(Raw.send)

    @contextmanager
    def listen(self) -> Iterator[HostedTap]:
        """Listen from now on; iterate over what this gives."""
        listening = self._it.listen()
        tap = self._home.hop(listening.__enter__)
        try:
            yield HostedTap(tap, self._home)
        finally:
            self._home.hop(partial(listening.__exit__, None, None, None))


class HostedAudioOut(HostedStream[AudioOut, bytes]):
    """Stands in for `engine.actors.audio_out.AudioOut`."""

    closed = seen("closed")
    shape = property(lambda self: self._it.shape)
    frame_ms = property(lambda self: self._it.frame_ms)
    aclose = crossed(AudioOut.aclose)
    close = hopped(AudioOut.close)
    statistics = hopped(AudioOut.statistics)

    def __aiter__(self) -> "HostedAudioOut":
        return self


class HostedResponseStream(HostedStream[ResponseStream, BidiOutputEvent]):
    """Stands in for `engine.session.responses.ResponseStream`."""

    id = property(lambda self: self._it.id)
    metadata = property(lambda self: self._it.metadata)
    out_of_band = property(lambda self: self._it.out_of_band)
    done = crossed(ResponseStream.done)
    cancel = crossed(ResponseStream.cancel)

    def __aiter__(self) -> "HostedResponseStream":
        self._it.__aiter__()
        return self


class HostedResponses(StandIn[Responses]):
    """Stands in for `engine.session.responses.Responses`."""

    cancel = crossed(Responses.cancel)

    async def create(self, **asked: Any) -> HostedResponseStream:
        """Ask for a response; see `Responses.create`."""
        stream = await self._home.cross_or_undo(partial(self._it.create, **asked), self._abandon)
        return HostedResponseStream(stream, self._home)

    def _abandon(self, stream: ResponseStream) -> None:
        if self._home.thread is not None:
            self._home.thread.post(self._it._abandon, stream)
