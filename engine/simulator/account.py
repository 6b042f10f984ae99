"""What outlives a connection: the server's settings, its clock, the calls that can be joined, the keys it made."""

import secrets
import time
from typing import Any, Final

import trio

from engine.simulator import effective
from engine.simulator.calls import SimulatedCall
from engine.simulator.client_secrets import ClientSecrets
from engine.simulator.conversation import Conversation
from engine.simulator.ids import IdMint
from engine.simulator.responder import ResponderFactory
from engine.simulator.settings import SimulatorSettings

Json = dict[str, Any]

CALLS_KEPT_MAX: Final = 1000
"""Calls that the server knows at a time; past it the oldest is ended and forgotten."""


class Account:
    """What the connections of one server share.

    Args:
        settings: The server's.
        responder_factory: Makes a session's responder, once it is admitted.

    Attributes:
        calls: By id; those that are over too.
        secrets: Keys that expire.
    """

    def __init__(self, settings: SimulatorSettings, responder_factory: ResponderFactory) -> None:
        self.settings = settings
        self.responder_factory = responder_factory
        self.calls: dict[str, SimulatedCall] = {}
        self._seed = secrets.randbits(64) if settings.seed is None else settings.seed
        self._ids = self.mint(-1)
        self.secrets = ClientSecrets(self._ids)
        self._epoch_s = None if settings.epoch_s is None else settings.epoch_s - trio.current_time()

    def mint(self, number: int) -> IdMint:
        """Make the source of ids of the session `number`."""
        return IdMint.seeded(self._seed, number)

    def unix_time(self) -> float:
        """Tell the time, in seconds."""
        return time.time() if self._epoch_s is None else self._epoch_s + trio.current_time()

    def session_end(self) -> int:
        """Tell when a session that begins now ends, in Unix seconds."""
        return int(self.unix_time() + self.settings.session_max_s)

    def new_session(self, kind: str, session_id: str, model: str, expires_at: int | None = None) -> Json:
        """Give a new session's object: `realtime`, `transcription` or `translation`."""
        ends_at = self.session_end() if expires_at is None else expires_at
        if kind == "transcription":
            return effective.new_transcription_session(session_id, ends_at)
        if kind == "translation":
            return effective.new_translation_session(session_id, model, ends_at)
        return effective.new_conversation_session(session_id, model, ends_at, self.settings)

    def new_id(self, prefix: str) -> str:
        """Make an id that belongs to no session."""
        return self._ids.new(prefix)

    def new_call(self, model: str) -> SimulatedCall:
        """Make a call that can be joined."""
        conversation = Conversation(self.new_id("conv"), audio_max_bytes=self.settings.item_audio_max_bytes)
        session = self.new_session("realtime", self.new_id("sess"), model)
        call = SimulatedCall(self.new_id("rtc"), model, session, conversation, self.unix_time)
        self.calls[call.id] = call
        if len(self.calls) > CALLS_KEPT_MAX:
            self.calls.pop(next(iter(self.calls))).hang_up()
        return call

    def joinable(self, call_id: str) -> SimulatedCall | None:
        """Give the call with this id, if there is one that is not over."""
        call = self.calls.get(call_id)
        return None if call is None or call.ended.is_set() else call
