"""Hosts: where sessions live, by what their callers run in: Trio itself, or an event loop of asyncio's kind.

On Trio (and anyio on it) a session lives in the caller's run. In an event loop (asyncio, uvloop, anyio on it) the
sessions of all loops of the process live in one Trio thread, and callers hold what stands in for them.
"""

from engine.hosts.opening import open_session, open_transcription, open_translation
from engine.hosts.place import home, in_event_loop, made
from engine.hosts.spawning import spawner

__all__ = ["home", "in_event_loop", "made", "open_session", "open_transcription", "open_translation", "spawner"]
