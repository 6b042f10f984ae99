"""Opens the session that a client was admitted to: conversation, transcription, translation, or a call's controls."""

from collections.abc import Callable
from typing import Any, Protocol

import trio

from engine.simulator import effective
from engine.simulator.account import Account
from engine.simulator.admission import Admitted
from engine.simulator.calls import SimulatedCall
from engine.simulator.conversation import Conversation
from engine.simulator.ids import IdMint
from engine.simulator.outbox import Outbox
from engine.simulator.playback import Playback
from engine.simulator.responder import Interpreting
from engine.simulator.script import ScriptedResponder
from engine.simulator.services import Emit, Services
from engine.simulator.session import SimulatedSession
from engine.simulator.translation import TranslationSession, TranslationWires
from engine.simulator.usage import RateLimit

Json = dict[str, Any]


class ServedSession(Protocol):
    """What a connection does with its session.

    Attributes:
        closing: True once the client has asked for the end.
    """

    closing: bool

    @property
    def receive(self) -> Callable[[str | bytes], None]:
        """Do what a client message asks; never waits."""
        ...

    def begin(self) -> None:
        """Send the first event."""
        ...

    async def ready(self) -> None:
        """Wait until the next message can be taken."""
        ...

    async def drain(self) -> None:
        """Wait for what the client is to get before the close."""
        ...


class Opening:
    """Makes one connection's session.

    Args:
        account: The server's.
        ids: The connection's.
        emit: Sends an event.
        outbox: What waits for the client.
        note: Told each message as it is received.
    """

    def __init__(
        self, account: Account, ids: IdMint, emit: Emit, outbox: Outbox, note: Callable[[str, str], None]
    ) -> None:
        self._account = account
        self._ids = ids
        self._emit = emit
        self._room = outbox.room
        self._note = note

    def open(self, admitted: Admitted, nursery: trio.Nursery) -> tuple[ServedSession, str]:
        """Open the session; everything that takes time runs in `nursery`.

        Returns:
            The session, and its id.
        """
        if admitted.call_id is not None:
            call = self._account.calls[admitted.call_id]
            return self._open_controls(call, nursery), call.session["id"]
        session = self._account.new_session(admitted.kind, self._ids.new("sess"), admitted.model)
        if admitted.kind == "translation":
            return self._open_translation(session, admitted.settings, nursery), session["id"]
        kept_bytes = self._account.settings.item_audio_max_bytes
        services = self._services(Conversation(self._ids.new("conv"), audio_max_bytes=kept_bytes))
        if admitted.settings is not None:
            session = effective.updated(session, admitted.settings, voice_locked=False)
        return SimulatedSession(services, session, nursery, self._note), session["id"]

    def _open_controls(self, call: SimulatedCall, nursery: trio.Nursery) -> ServedSession:
        services = self._services(call.conversation)
        services.playback = Playback(services, nursery)
        return SimulatedSession(services, call.session, nursery, self._note, call)

    def _open_translation(self, session: Json, baked: Json | None, nursery: trio.Nursery) -> ServedSession:
        responder = self._account.responder_factory()
        able = responder if isinstance(responder, Interpreting) else ScriptedResponder()
        session = effective.updated_translation(session, baked or {})
        wires = TranslationWires(self._emit, self._room, self._note)
        return TranslationSession(session, able.interpreter(), wires, nursery)

    def _services(self, conversation: Conversation) -> Services:
        settings = self._account.settings
        return Services(
            settings=settings,
            ids=self._ids,
            emit=self._emit,
            room=self._room,
            responder=self._account.responder_factory(),
            conversation=conversation,
            rate_limit=RateLimit(settings.rate_limit_tokens, settings.rate_limit_per_s),
        )
