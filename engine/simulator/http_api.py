"""The HTTP helpers: client secrets, WebRTC calls, and what can be done about a call."""

import re
from typing import Any, Final

import orjson

from engine.simulator import effective
from engine.simulator.account import Account
from engine.simulator.admission import Handshake, check_key
from engine.simulator.catalogue import BODY_NOT_JSON, NO_SUCH_CALL, NO_SUCH_URL, Entry, Refusal
from engine.simulator.client_secrets import DEFAULT_LIFE_S
from engine.simulator.http_front import HttpAnswer, error_body
from engine.simulator.offers import read_offer
from engine.simulator.schema import Check, Choice, Number, Shape
from engine.simulator.shapes import SESSION, TEXT, TRANSLATION

Json = dict[str, Any]

_SECRETS: Final = re.compile(r".*/realtime(?P<translation>/translations)?/client_secrets")
_CALLS: Final = re.compile(r".*/realtime/calls")
_CALL: Final = re.compile(r".*/realtime/calls/(?P<call_id>[^/]+)/(?P<action>accept|reject|refer|hangup)")

DEFAULT_MODEL: Final = "gpt-realtime"
"""Of a client secret or a call that names none."""

SECRET_LIFE_MIN_S: Final = 10
SECRET_LIFE_MAX_S: Final = 7200
"""What a client secret's `expires_after.seconds` may be (API reference)."""


def _secret(session: Check) -> Shape:
    life = Shape({"anchor": Choice(("created_at",)), "seconds": Number(SECRET_LIFE_MIN_S, SECRET_LIFE_MAX_S)})
    return Shape({"expires_after": life, "session": session})


_CLIENT_SECRET: Final = _secret(SESSION)
_TRANSLATION_SECRET: Final = _secret(
    Shape({key: TRANSLATION.fields[key] for key in ("model", "audio")}, required=("model",))
)
_CALL_ACTIONS: Final[dict[str, Check]] = {
    "accept": SESSION,
    "reject": Shape({"status_code": Number(100, 699)}),
    "refer": Shape({"target_uri": TEXT}, required=("target_uri",)),
    "hangup": Shape({}),
}
"""What the bodies of HTTP requests about a call may hold, by the last part of their path."""


def respond(account: Account, method: str, handshake: Handshake, body: bytes) -> HttpAnswer:
    """Answer one HTTP request that is no upgrade.

    Raises:
        Refusal: Something in it does not fit.
    """
    found = ((pattern.fullmatch(handshake.path), act) for pattern, act in _ROUTES)
    match, act = next((pair for pair in found if pair[0] is not None), (None, None))
    if method != "POST" or match is None or act is None:
        return _refused(404, NO_SUCH_URL, method=method, path=handshake.path)
    try:
        check_key(handshake.key(), account.settings, account.secrets, account.unix_time())
    except Refusal as refusal:
        return HttpAnswer(401, error_body(refusal))
    return act(account, match, handshake, body)


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


def _client_secret(account: Account, path: re.Match[str], _: Handshake, body: bytes) -> HttpAnswer:
    asked, translation = _object(body), path["translation"] is not None
    (_TRANSLATION_SECRET if translation else _CLIENT_SECRET).check(asked, "")
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


def _make_call(account: Account, _: re.Match[str], handshake: Handshake, body: bytes) -> HttpAnswer:
    offer = read_offer(handshake.headers.get("content-type", ""), body)
    secret = account.secrets.find(handshake.key())
    settings = (secret.session if secret is not None else None) if offer.session is None else _object(offer.session)
    if settings is not None:
        SESSION.check(settings, "session")
    call = account.new_call((settings or {}).get("model") or handshake.model or DEFAULT_MODEL)
    if settings is not None:
        call.session = effective.updated(call.session, settings, voice_locked=False)
    headers = (("location", f"/v1/realtime/calls/{call.id}"), ("content-type", "application/sdp"))
    return HttpAnswer(201, offer.answer(), headers)


def _control_call(account: Account, path: re.Match[str], _: Handshake, body: bytes) -> HttpAnswer:
    call, action = account.joinable(path["call_id"]), path["action"]
    if call is None:
        return _refused(404, NO_SUCH_CALL, call_id=path["call_id"])
    asked = _object(body)
    _CALL_ACTIONS[action].check(asked, "")
    if action == "accept":
        call.session = effective.updated(call.session, asked, voice_locked=False)
    if action in ("reject", "hangup"):
        call.hang_up()
    call.answer = action
    return HttpAnswer(200)


_ROUTES: Final = ((_SECRETS, _client_secret), (_CALLS, _make_call), (_CALL, _control_call))
