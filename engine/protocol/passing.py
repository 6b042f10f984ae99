"""Which errors pass: whether it may help to connect again. Tables, each row with its reason or its source.

What is in no table does not pass: to give up at once and say why is better than a minute of silence before the same.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from engine.errors import (
    CertificateRefused,
    ConnectionLost,
    DeadlinePassed,
    EngineError,
    HandshakeRejected,
    ProxyRefused,
    ServerReported,
)
from engine.protocol.server_errors import FATAL, PASSING, PASSING_TYPES

PASSING_CLOSES: Final = frozenset(
    {
        None,  # No close frame: reset, DNS, no route, TLS that broke off, frames that can't be read.
        1001,  # Going away: a deploy, or the session's time is over, which a new one mends.
        1005,  # A close frame without a code says nothing against another try.
        1006,  # No close frame: the end of the stream came first.
        1011,  # The server's own fault (RFC 6455).
        1012,  # It restarts (IANA registry, as the next ones).
        1013,  # It is overloaded: try again later.
        1014,  # A gateway got no good answer from behind it.
        1015,  # TLS broke. Never on the wire, but libraries tell it.
        3008,  # It took too long (IANA registry).
    }
)
"""Not here, so they don't pass. 1000: the server ended the talk in order. 1002, 1003, 1007, 1009, 1010: it can't read
what we send, and would get the same again; 1009 is our own bound too. 1008: it is against its policy. 3000, 3003: the
key (3000 is the service's code for a bad one). 4000: the service's code for a model or a header that is no good. 4001
to 4999: what an application means by these is its own, and was meant."""

PASSING_STATUSES: Final = frozenset({408, 425, 429, *range(500, 600)}) - {501, 505}
"""HTTP answers to an upgrade or to CONNECT. 408 and 425 ask for another try (RFC 9110, RFC 8470), 429 is about the rate
(RFC 6585), 5xx the server's fault. 501 and 505 are about what it can do at all. Other 4xx (400, 401, 403, 404, a
proxy's 407) and redirects get the same answer again."""

PASSING_DEADLINES: Final = frozenset({"connect", "session_created", "ping", "lifetime"})
"""Nobody answered in time, which another server may. After the lifetime of one session a new one goes on."""

_FATAL_WORD: Final = re.compile(rf"\b({'|'.join(sorted(FATAL))})\b")


def is_passing(error: EngineError) -> bool:
    """Tell whether it may help to connect again."""
    rule = next((rule for kind, rule in _RULES if isinstance(error, kind)), _never)
    return rule(error)


def _never(_: EngineError) -> bool:
    return False


def _by_status(error: HandshakeRejected | ProxyRefused) -> bool:
    return error.status in PASSING_STATUSES and not _says_fatal(error)


def _by_close(error: ConnectionLost) -> bool:
    return error.code in PASSING_CLOSES and not _says_fatal(error)


def _says_fatal(error: ConnectionLost) -> bool:
    """An empty account is told as 429; and the service writes `type.code` of an error into the reason of its close."""
    return _FATAL_WORD.search(error.reason or "") is not None


def _by_deadline(error: DeadlinePassed) -> bool:
    return error.deadline in PASSING_DEADLINES


def _by_code(error: ServerReported) -> bool:
    return not error.fatal and (error.code in PASSING or error.error_type in PASSING_TYPES)


_RULES: Final[tuple[tuple[type[EngineError], Callable[[Any], bool]], ...]] = (
    (CertificateRefused, _never),  # Somebody else answers, or the clock is wrong: neither mends itself in a minute.
    (HandshakeRejected, _by_status),
    (ProxyRefused, _by_status),
    (ConnectionLost, _by_close),
    (DeadlinePassed, _by_deadline),
    (ServerReported, _by_code),
)
"""The first class that fits counts. No others pass: settings, misuse and bounds are the same at the next try."""
