"""What answers what: the table of requests and their answers, and which request an error without a name is about."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from engine.config.asked import METADATA_ID_KEY
from engine.protocol import server_errors
from engine.wire import client, server
from engine.wire.record import Record
from engine.wire.response import ErrorDetails, Response
from engine.wire.session import Session
from engine.wire.translation import TranslationSession


def signature(response: Response) -> str | None:
    """Give the client event that asked for a response, where one of the application's requests did."""
    return (response.metadata or {}).get(METADATA_ID_KEY)


def is_aside(response: Response) -> bool:
    """A response outside the conversation says so with an explicit null."""
    return response.conversation_id is None and "conversation_id" in response.extra


def is_out_of_band(event: client.ResponseCreate) -> bool:
    """Tell whether a response is asked for outside the conversation."""
    return event.response is not None and event.response.conversation == "none"


# --- what answers what ----------------------------------------------------------------------------------------------

_Match = Callable[[Any, Any], bool]
_Value = Callable[[Any], Any]


def _same_item(asked: Any, event: Any) -> bool:
    return bool(asked.item_id == (event.item.id if hasattr(event, "item") else event.item_id))


def _same_place(asked: Any, event: Any) -> bool:
    return _same_item(asked, event) and bool(asked.content_index == event.content_index)


def _made_item(asked: Any, event: Any) -> bool:
    return asked.item.id is not None and bool(asked.item.id == event.item.id)


def _made_response(asked: Any, event: Any) -> bool:
    return asked.event_id is not None and signature(event.response) == asked.event_id


def _ended_response(asked: Any, event: Any) -> bool:
    # Without an id, what is stopped is the conversation's.
    unnamed = asked.response_id is None and not is_aside(event.response)
    return unnamed or asked.response_id == event.response.id


_NEW_ITEM: Final = (client.ConversationItemCreate, _made_item, lambda event: event.item)

ANSWERS: Final[Mapping[type, tuple[type, _Match, _Value]]] = {
    server.SessionUpdated: (client.SessionUpdate, lambda _, __: True, lambda event: event.session),
    server.ConversationItemAdded: _NEW_ITEM,
    server.ConversationItemDone: _NEW_ITEM,
    server.ConversationItemCreated: _NEW_ITEM,
    server.ConversationItemRetrieved: (client.ConversationItemRetrieve, _same_item, lambda event: event.item),
    server.ConversationItemDeleted: (client.ConversationItemDelete, _same_item, lambda _: None),
    server.ConversationItemTruncated: (
        client.ConversationItemTruncate,
        _same_place,
        lambda event: event.audio_end_ms,
    ),
    server.ResponseCreated: (client.ResponseCreate, _made_response, lambda event: event.response),
    server.ResponseDone: (client.ResponseCancel, _ended_response, lambda _: True),
}
"""Server events that answer: the request that each answers, how the two are matched, what the answer is."""

SHARED: Final = frozenset({client.ResponseCancel})
"""Requests of which one event answers all that match."""

# --- which request an error without a name is about -------------------------------------------------------------------

BY_CODE: Final[Mapping[str | None, type]] = {
    "cannot_update_voice": client.SessionUpdate,
    "item_delete_invalid_item_id": client.ConversationItemDelete,
    "item_retrieve_invalid_item_id": client.ConversationItemRetrieve,
    "item_truncate_invalid_item_id": client.ConversationItemTruncate,
    server_errors.CANCEL_NOT_ACTIVE: client.ResponseCancel,
}
BY_PARAM: Final[Mapping[str, type]] = {
    "session": client.SessionUpdate,
    "item": client.ConversationItemCreate,
    "previous_item_id": client.ConversationItemCreate,
    "audio_end_ms": client.ConversationItemTruncate,
    "content_index": client.ConversationItemTruncate,
    "response": client.ResponseCreate,
    "response_id": client.ResponseCancel,
}
"""By the first part of the path that the error names."""
BY_WORDS: Final[Mapping[str, type]] = {
    "can be truncated": client.ConversationItemTruncate,
    "already shorter than": client.ConversationItemTruncate,
    "easoning": client.SessionUpdate,
}
"""By what the message says, for errors that come with neither code nor param (captures of truncations)."""

NAMELESS_ERROR: Final = "invalid_request_error"
"""The class of an error that a client event caused; the service's own faults are another."""


def guess(details: ErrorDetails) -> type | None:
    """Tell which kind of request an error is about that names none."""
    if details.code in BY_CODE:
        return BY_CODE[details.code]
    if details.param is not None:
        return BY_PARAM.get(details.param.partition(".")[0].partition("[")[0])
    for words, kind in BY_WORDS.items():
        if words in (details.message or ""):
            return kind
    # A refusal of `reasoning` came without code, param and event (measured): an update is what can fail so.
    bare = details.type == NAMELESS_ERROR and details.code is None
    return client.SessionUpdate if bare else None


def changed_fields(session: Session | TranslationSession) -> frozenset[str]:
    """Name what an update changes, a setting by its path."""
    audio = session.audio
    sides = (("input.", audio.input), ("output.", audio.output)) if audio is not None else ()
    return frozenset(_said("", session) | set().union(*(_said(path, side) for path, side in sides)))


def _said(path: str, record: Record | None) -> set[str]:
    if record is None:
        return set()
    named = {field.name for field in attrs.fields(type(record))} - {"extra", "type", "audio"}
    return {path + name for name in named if getattr(record, name) is not None} | {path + key for key in record.extra}
