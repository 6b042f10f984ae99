"""What went wrong with a call: the kind of its error, by the class and the code of what was raised."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs
import orjson

from engine.errors import (
    CertificateRefused,
    ConfigError,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    LimitExceeded,
    ProxyRefused,
    ServerReported,
    UnsupportedContent,
)
from engine.farm.caller.wording import whole_text
from engine.farm.job import ErrorKind
from engine.tools import CallReport

ERROR_MAX_CHARS: Final = 500
"""What a result keeps of an error's words."""


@attrs.frozen
class Fault:
    """Why a call broke.

    Attributes:
        kind: Of the error.
        words: One line.
        retry_after_s: The service's own wish, where it told one.
    """

    kind: ErrorKind
    words: str
    retry_after_s: float | None = None


class CallBroken(Exception):
    """A call can't go on.

    Attributes:
        fault: Why.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words)
        self.fault = fault


CODES: Final[Mapping[str, ErrorKind]] = {
    "rate_limit_exceeded": "rate_limited",
    "inference_rate_limit_exceeded": "rate_limited",
    "rate_limit_reached": "rate_limited",
    "too_many_requests": "rate_limited",
    "insufficient_quota": "quota",
    "billing_hard_limit_reached": "quota",
    "billing_not_active": "quota",
    "account_deactivated": "refused",
    "beta_api_shape_disabled": "refused",
    "invalid_api_key": "refused",
    "invalid_model": "refused",
    "missing_model": "refused",
    "model_not_found": "refused",
    "unsupported_country_region_territory": "refused",
}
"""Codes and types of the service's errors whose kind does not hang on where they came."""

STATUSES: Final[Mapping[int, ErrorKind]] = {
    400: "refused",
    401: "refused",
    403: "refused",
    404: "refused",
    407: "refused",
    429: "rate_limited",
}
"""HTTP statuses of a refused upgrade; those from 500 on are the service's own faults, others count as the network's."""

_CONNECTING: Final = frozenset({"connect", "session_created", "ping"})
"""Deadlines whose passing says that there is no connection."""

_SERVER_FAULT: Final = 500
_PROXY_CREDENTIALS: Final = 407


def fault_of(error: BaseException, *, opened: bool) -> Fault:
    """Tell what an exception means.

    Args:
        error: It, or a group of several, of which the first counts.
        opened: The session was open before. Whatever the service answers to its first settings refuses them.
    """
    first = next(_leaves(error))
    if isinstance(first, CallBroken):
        return first.fault
    if isinstance(first, SystemExit):
        return Fault(
            "tool", one_line(f"a tool ended the program: SystemExit({first.code!r}) | raise another exception")
        )
    kind = _kind(first, opened=opened)
    words = str(first) if isinstance(first, EngineError) else f"{type(first).__name__}: {first}"
    return Fault(kind, one_line(words), getattr(first, "retry_after_s", None))


def is_of_a_call(error: BaseException) -> bool:
    """Tell whether an exception is one call's trouble alone, while others go on; a tool's `sys.exit` is, too."""
    return all(isinstance(each, Exception | SystemExit) for each in _leaves(error))


def failed_response(details: Mapping[str, Any] | None) -> Fault:
    """Tell why a response failed, by the details of `BidiResponseCompleteEvent`."""
    error = (details or {}).get("error") or {}
    code, words = error.get("code") or error.get("type"), error.get("message") or ""
    kind = kind_of_code(error.get("code"), error.get("type")) or "service"
    return Fault(kind, one_line(f"the response failed: {code or 'no reason given'}{words and ': '}{words}"))


def tool_fault(report: CallReport | None) -> Fault | None:
    """Tell of a tool that raised, or took too long; None where none did."""
    if report is None:
        return None
    why = "took too long" if report.ending == "timed_out" else f"raised {report.exception!r}"
    return Fault("tool", one_line(f"the tool {report.call.name} {why}"))


def kind_of_code(*codes: object) -> ErrorKind | None:
    """Find the kind of an error by its code, then by its type; None where they don't tell."""
    known = (CODES.get(code) for code in codes if isinstance(code, str))
    return next((kind for kind in known if kind is not None), None)


def one_line(words: str) -> str:
    """Put words on one line, of at most `ERROR_MAX_CHARS`."""
    line = " ".join(whole_text(words).split())
    return line if len(line) <= ERROR_MAX_CHARS else f"{line[: ERROR_MAX_CHARS - 1]}…"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def _kind(error: BaseException, *, opened: bool) -> ErrorKind:
    for cls, kind_of in _KINDS.items():
        if isinstance(error, cls):
            return kind_of(error, opened)
    return "crash"


def _of_handshake(error: HandshakeRejected, _: bool) -> ErrorKind:
    return kind_of_code(*_codes_in(error.body)) or _of_status(error.status)


def _of_proxy(error: ProxyRefused, _: bool) -> ErrorKind:
    return "refused" if error.status == _PROXY_CREDENTIALS else "connection"


def _of_report(error: ServerReported, opened: bool) -> ErrorKind:
    own: ErrorKind = "service" if opened or error.error_type == "server_error" else "refused"
    return kind_of_code(error.code, error.error_type) or own


def _of_deadline(error: DeadlinePassed, _: bool) -> ErrorKind:
    return "connection" if error.deadline in _CONNECTING else "deadline"


def _of_limit(error: LimitExceeded, _: bool) -> ErrorKind:
    return "caller" if error.limit == "SPEECH_MAX_S" else "crash"


def _always(kind: ErrorKind) -> Callable[[Any, bool], ErrorKind]:
    return lambda _error, _opened: kind


_KINDS: Final[Mapping[type[BaseException], Callable[[Any, bool], ErrorKind]]] = {
    HandshakeRejected: _of_handshake,
    ProxyRefused: _of_proxy,
    CertificateRefused: _always("refused"),
    ConnectionLost: _always("connection"),
    ServerReported: _of_report,
    DeadlinePassed: _of_deadline,
    ConfigError: _always("caller"),
    UnsupportedContent: _always("caller"),
    LimitExceeded: _of_limit,
}
"""By class of the exception; the first that fits, so that a class stands after those that are made of it."""


def _of_status(status: int) -> ErrorKind:
    return "service" if status >= _SERVER_FAULT else STATUSES.get(status, "connection")


def _codes_in(body: str) -> tuple[object, object]:
    """Find code and type in a refusal's body, where it is the JSON that the service sends."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None, None
    error = told.get("error") if isinstance(told, dict) else None
    return (error.get("code"), error.get("type")) if isinstance(error, dict) else (None, None)
