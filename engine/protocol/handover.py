"""What a new connection needs before it can take over the talk: its settings, and the items of the talk so far.

It is a small core of its own: the conversation still talks over the old connection, and hears nothing of the new one
until that is ready. It never waits, and knows no clock: who feeds it says how long it may take.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from engine.counting import NameCounts
from engine.errors import ConnectionLost, EngineError, LocalMisuse, RemoteViolation, ServerReported
from engine.protocol import server_errors
from engine.protocol.pairs import NAMELESS_ERROR, guess
from engine.wire import server as wire
from engine.wire.client import ClientEvent, ConversationItemCreate, SessionUpdate
from engine.wire.codec import event_type
from engine.wire.items import McpListToolsItem
from engine.wire.response import ErrorDetails
from engine.wire.session import Session
from engine.wire.translation import (
    TranslationClientEvent,
    TranslationServerEvent,
    TranslationSessionCreated,
    TranslationSessionUpdate,
    TranslationSessionUpdated,
)

_Update = SessionUpdate | TranslationSessionUpdate
_Sent = _Update | ConversationItemCreate

KEPT_MAX: Final = 256
"""Events that are kept for the conversation: some five for each MCP server, of which a session has a handful."""

OTHER_ERRORS_MAX: Final = 16
"""Errors about nothing that was sent here that are kept; of further ones, the number."""


class Handover:
    """Prepares one connection.

    Args:
        settings: Changes of its settings, in order.
        items: What it is told of the talk, each with an id, as `Replay.first` gives it.

    Raises:
        LocalMisuse: An item has no id, so that nobody could tell when it is there.

    Attributes:
        created: The service has opened the session.
        failed: Why it will never be ready: end the connection.
        session: Its settings, as the service told them last; None for a translation, which has others.
        refused: What was wrong with items that the service did not take. The others are there.
        refused_items: Their ids, for `Replay.refused`.
        others: Errors about nothing that was sent here.
        kept: Events that the conversation has to hear when it takes the connection over, in order: the tools that MCP
            servers offer, which the service lists anew for each connection.
        ignored: Other events, by type.
        violations: Messages that could not be read, by problem.
    """

    __slots__ = (
        "_handlers",
        "_items",
        "_to_send",
        "_updates",
        "created",
        "failed",
        "ignored",
        "kept",
        "others",
        "refused",
        "refused_items",
        "session",
        "violations",
    )

    def __init__(self, settings: Sequence[_Update], items: Sequence[ConversationItemCreate] = ()) -> None:
        if any(event.item.id is None for event in items):
            raise LocalMisuse("an item of a handover has no id; give it one, as Replay does")
        self._to_send: list[ClientEvent | TranslationClientEvent] = [*settings, *items]
        self._updates = list(settings)
        self._items = {event.item.id: event for event in items}
        self.created = False
        self.failed: EngineError | None = None
        self.session: Session | None = None
        self.refused: list[ServerReported] = []
        self.refused_items: list[str] = []
        self.others: list[ServerReported] = []
        self.kept: list[wire.ServerEvent] = []
        self.ignored = NameCounts()
        self.violations = NameCounts()
        self._handlers: Mapping[type, Callable[[Any], None]] = {
            wire.SessionCreated: self._created,
            wire.SessionUpdated: self._updated,
            TranslationSessionCreated: self._created,
            TranslationSessionUpdated: self._updated,
            wire.ConversationItemAdded: self._added,
            wire.ConversationItemCreated: self._added,
            wire.ConversationItemDone: self._added,
            wire.McpListToolsInProgress: self._keep,
            wire.McpListToolsCompleted: self._keep,
            wire.McpListToolsFailed: self._keep,
            wire.ErrorReported: self._error,
        }

    @property
    def ready(self) -> bool:
        """Whether all that was sent has its answer, and the talk can move on."""
        return self.created and self.failed is None and not self._updates and not self._items

    def begin(self) -> list[ClientEvent | TranslationClientEvent]:
        """Give what to send at once: the service takes it in order, and before it has said anything."""
        return list(self._to_send)

    def receive(self, event: wire.ServerEvent | TranslationServerEvent, _: float) -> None:
        """Take an event of the service. Raises nothing, whatever it is."""
        handle = self._handlers.get(type(event))
        if handle is None:
            self.ignored.add(event_type(event))
        else:
            handle(event)

    def violated(self, error: EngineError, problem: str, _: float) -> None:
        """Take note of a message that could not be read, and go on as if it had been, where its type is known."""
        self.violations.add(problem)
        kind = error.event_type if isinstance(error, RemoteViolation) else None
        if kind == wire.SessionCreated.tag:
            self.created = True
        elif kind == wire.SessionUpdated.tag:
            self._take_update()
        elif kind in {wire.ConversationItemAdded.tag, wire.ConversationItemCreated.tag}:
            # The service answers in order.
            self._items.pop(next(iter(self._items), None), None)

    def link_lost(self, lost: ConnectionLost) -> EngineError:
        """Take note that the connection is gone; give the reason, which the service may have told before."""
        if lost.reason and server_errors.EXPIRY_WORDS in lost.reason:
            self._fail(server_errors.expired(lost.reason, lost))
        elif not self.created and self.others:
            self.others[-1].__cause__ = lost
            self._fail(self.others[-1])
        return self._fail(lost)

    def _fail(self, error: EngineError) -> EngineError:
        self.failed = self.failed or error
        return self.failed

    # --- answers ------------------------------------------------------------------------------------------------

    def _created(self, event: wire.SessionCreated | TranslationSessionCreated) -> None:
        self.created = True
        self._told(event.session)

    def _updated(self, event: wire.SessionUpdated | TranslationSessionUpdated) -> None:
        self._told(event.session)
        self._take_update()

    def _told(self, session: Any) -> None:
        self.session = session if isinstance(session, Session) else None

    def _take_update(self) -> None:
        del self._updates[:1]

    def _added(self, event: wire.PlacedItemEvent) -> None:
        if isinstance(event.item, McpListToolsItem):
            self._keep(event)
        elif self._items.pop(event.item.id, None) is None:
            self.ignored.add(event_type(event))

    def _keep(self, event: Any) -> None:
        if len(self.kept) < KEPT_MAX:
            self.kept.append(event)
        else:
            self.ignored.add(event_type(event))

    # --- errors -------------------------------------------------------------------------------------------------

    def _error(self, event: wire.ErrorReported) -> None:
        details = event.error
        error = server_errors.reported(details)
        if details.code == server_errors.SESSION_EXPIRED:
            self._fail(server_errors.expired(error.message, error))
        elif error.fatal:
            self._fail(error)
        else:
            self._refused(self._about(details), error)

    def _refused(self, about: _Sent | None, error: ServerReported) -> None:
        match about:
            case SessionUpdate() | TranslationSessionUpdate():
                self._updates.remove(about)
                self._fail(error)
            case ConversationItemCreate(item=item):
                del self._items[item.id]
                self.refused.append(error)
                self.refused_items.append(item.id or "")
            case _ if len(self.others) < OTHER_ERRORS_MAX:
                self.others.append(error)
            case _:
                self.ignored.add(wire.ErrorReported.tag)

    def _about(self, details: ErrorDetails) -> _Sent | None:
        """Find what an error is about: by its name, by the item that it quotes, or by the order of the answers."""
        waiting: list[_Sent] = [*self._updates, *self._items.values()]
        if details.event_id is not None:
            return next((event for event in waiting if event.event_id == details.event_id), None)
        kind = guess(details)
        kinds = (kind, TranslationSessionUpdate) if kind is SessionUpdate else kind
        alike = [event for event in waiting if isinstance(event, kinds)] if kinds is not None else []
        if not alike and details.type == NAMELESS_ERROR:
            alike = waiting
        quoted = (event for event in alike if _is_quoted(event, details.message or ""))
        return next(quoted, alike[0] if alike else None)


def _is_quoted(event: _Sent, words: str) -> bool:
    return isinstance(event, ConversationItemCreate) and f"'{event.item.id}'" in words
