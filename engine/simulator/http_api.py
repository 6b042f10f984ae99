"""The HTTP helpers: client secrets, and what can be done about a call."""

import re
from typing import Any, Final

import orjson

from engine.simulator import effective
from engine.simulator.account import Account
from engine.simulator.admission import Handshake, check_key
from engine.simulator.calls import SimulatedCall
from engine.simulator.catalogue import BODY_NOT_JSON, NO_SUCH_CALL, NO_SUCH_URL, Entry, Refusal
from engine.simulator.checks import CALL_ACTIONS, CLIENT_SECRET, TRANSLATION_SECRET
from engine.simulator.client_secrets import DEFAULT_LIFE_S
from engine.simulator.http_front import HttpAnswer, error_body

Json = dict[str, Any]

_SECRETS: Final = re.compile(r".*/realtime(?P<translation>/translations)?/client_secrets")
_CALLS: Final = re.compile(r".*/realtime/calls/(?P<call_id>[^/]+)/(?P<action>accept|reject|refer|hangup)")

DEFAULT_MODEL: Final = "gpt-realtime"
"""Of a client secret that names none."""


def respond(account: Account, method: str, handshake: Handshake, body: bytes) -> HttpAnswer:
    """Answer one HTTP request that is no upgrade."""
    secrets, call = _SECRETS.fullmatch(handshake.path), _CALLS.fullmatch(handshake.path)
    if method != "POST" or (secrets is None and call is None):
        return _refused(404, NO_SUCH_URL, method=method, path=handshake.path)
    try:
        check_key(handshake.key(), account.settings, account.secrets, account.unix_time())
    except Refusal as refusal:
        return HttpAnswer(401, error_body(refusal))
    if secrets is not None:
        return _client_secret(account, _object(body), translation=secrets["translation"] is not None)
    assert call is not None  # noqa: S101 - one of the two is there
    found = account.joinable(call["call_id"])
    if found is None:
        return _refused(404, NO_SUCH_CALL, call_id=call["call_id"])
    return _act(found, call["action"], _object(body))


def _refused(status: int, entry: Entry, **values: str) -> HttpAnswer:
    return HttpAnswer(status, error_body(Refusal(entry, **values)))


def _object(body: bytes) -> Json:
    try:
        value = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        raise Refusal(BODY_NOT_JSON) from None
    if type(value) is not dict:
        raise Refusal(BODY_NOT_JSON)
    return value


def _client_secret(account: Account, asked: Json, *, translation: bool) -> HttpAnswer:
    (TRANSLATION_SECRET if translation else CLIENT_SECRET).check(asked, "")
    session = asked.get("session") or {"type": "realtime"}
    kind = "translation" if translation else session["type"]
    life_s = (asked.get("expires_after") or {}).get("seconds") or DEFAULT_LIFE_S
    shown = account.new_session(kind, account.new_id("sess"), session.get("model") or DEFAULT_MODEL, expires_at=0)
    if translation:
        shown = effective.updated_translation(shown, session)
    else:
        shown = effective.updated(shown, session, voice_locked=False)
    secret = account.secrets.make(kind, session, int(account.unix_time()) + life_s)
    return HttpAnswer(200, {"value": secret.value, "expires_at": secret.expires_at, "session": shown})


def _act(call: SimulatedCall, action: str, asked: Json) -> HttpAnswer:
    CALL_ACTIONS[action].check(asked, "")
    if action == "accept":
        call.session = effective.updated(call.session, asked, voice_locked=False)
    if action in ("reject", "hangup"):
        call.hang_up()
    call.answer = action
    return HttpAnswer(200)
