"""Every exception of the engine, as one tree.

```
EngineError
|- ConfigError (ValueError)           a setting is wrong; nothing was connected
|- LocalMisuse                        the caller did what this state does not allow
|  |- AlreadyStarted (RuntimeError)
|  |- NotStarted (RuntimeError)
|  |- SessionEnded (RuntimeError)
|  `- UnsupportedContent (ValueError)
|- RemoteViolation                    the peer sent what the protocol does not allow; the session lives
|- ServerReported                     the service answered with an `error` event
|- ConnectionLost                     the connection broke, or could not be made
|  |- CertificateRefused              who answered could not show who they are
|  |- HandshakeRejected               the upgrade was refused with an HTTP status
|  `- ProxyRefused                    the proxy refused a tunnel with an HTTP status
|- DeviceLost                         a sound device went away; the session lives
|- RecordingFailed                    a recording can't be written on; the session lives
|- DeadlinePassed                     a named wait took too long
|  `- BidiModelTimeoutError           the session's lifetime is over: start again
|- LimitExceeded                      a named bound of `engine.limits` was passed
`- FarmError                          a farm's run can't begin or go on; its ledger is whole
   |- LedgerUnusable                  the ledger is locked, of another version, broken, or its disk is full
   |- TargetLost                      the simulator that the run started died
   `- BackendUnavailable              workers can't be had, as with Ray missing
```

Each carries fields, not only text, so that a program can act on it. All can be pickled and copied, so that they can
cross to another process, as of a worker pool.
"""

import re
from typing import Any

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def shown_url(url: object) -> str:
    """Give an address as errors, `repr` and logs may show it: without user, password, query and fragment.

    It takes whatever was given, a valid address or not.
    """
    if not isinstance(url, str):
        return f"({type(url).__name__})"
    found = _SCHEME.match(url)
    scheme = found[0] if found else ""
    address, *queries = re.split(r"[?#]", url[len(scheme) :], maxsplit=1)
    if any("@" in query for query in queries):
        # A password that holds `?` looks like a query: which of the two it is, nobody can tell.
        return f"{scheme}(not shown)"
    _, user, host = address.rpartition("@")
    return f"{scheme}(not shown)@{host}" if user else scheme + host


def _rebuild(cls: type["EngineError"], args: tuple[Any, ...]) -> "EngineError":
    """Make an error again without its `__init__`, which takes other arguments than `args`."""
    return cls.__new__(cls, *args)


class EngineError(Exception):
    """Anything that the engine raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), self.__dict__


class ConfigError(EngineError, ValueError):
    """A setting can't be used; raised before any connection is made.

    Attributes:
        field: Path of the setting, as in `audio.input_rate`.
        value: What was given. Never a key.
        allowed: What would be accepted, in words.
    """

    def __init__(self, field: str, value: object, allowed: str, *, message: str | None = None) -> None:
        super().__init__(message or f"{field}={value!r} is not possible; allowed: {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


class LocalMisuse(EngineError):
    """The caller asked for what the current state does not allow."""


class AlreadyStarted(LocalMisuse, RuntimeError):
    """`start` was called while a session is open; call `stop` first."""


class NotStarted(LocalMisuse, RuntimeError):
    """`send` or `receive` was called before `start`."""


class SessionEnded(LocalMisuse, RuntimeError):
    """Something was sent to a session that is over; open a new one.

    Attributes:
        reason: Why it is over, as in `BidiConnectionCloseEvent.reason`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the session is over ({reason}) | start a new one before sending")
        self.reason = reason


class UnsupportedContent(LocalMisuse, ValueError):
    """Content that can't be sent; the text says what can."""


class RemoteViolation(EngineError):
    """The peer sent something that the protocol does not allow. It was counted and dropped; the session lives.

    Attributes:
        problem: One of `binary_frame`, `invalid_json`, `not_an_object`, `missing_type`, `invalid_field`,
            `unknown_type`.
        event_type: The event's type, where one could be read.
        field: Path of the offending field, where one is known.
    """

    def __init__(self, problem: str, detail: str, *, event_type: str | None = None, field: str | None = None) -> None:
        where = f" in {event_type}" if event_type else ""
        super().__init__(f"{problem}{where}: {detail}")
        self.problem = problem
        self.event_type = event_type
        self.field = field


class ServerReported(EngineError):
    """The service answered with an error.

    Attributes:
        code: The service's code, as in `invalid_value`; None when it gave none.
        error_type: The service's class of error, as in `invalid_request_error`.
        param: The parameter that it names.
        client_event_id: `event_id` of the client event that it answers, where the service says.
        fatal: True when the service ends the session after it.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        error_type: str | None = None,
        param: str | None = None,
        client_event_id: str | None = None,
        fatal: bool = False,
    ) -> None:
        super().__init__(f"{code or error_type or 'error'}: {message}")
        self.message = message
        self.code = code
        self.error_type = error_type
        self.param = param
        self.client_event_id = client_event_id
        self.fatal = fatal


class ConnectionLost(EngineError):
    """The connection broke or could not be made. The library's own exception is chained.

    Attributes:
        code: WebSocket close code, or None when there was no close frame.
        reason: Text of the close frame, or what the network said.
    """

    def __init__(self, message: str, *, code: int | None = None, reason: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class CertificateRefused(ConnectionLost):
    """The server's certificate, or the proxy's, does not hold: of another host, expired, of an unknown issuer.

    Nothing was sent, the key neither. To connect again does not help; `reason` says what is wrong. For an issuer of
    your own, give an `ssl_context` that trusts it.
    """


class HandshakeRejected(ConnectionLost):
    """The server refused the WebSocket upgrade.

    Attributes:
        status: HTTP status of the answer.
        body: At most `limits.HANDSHAKE_BODY_MAX_BYTES` of the answer's body.
        retry_after_s: How long the server wants to be left alone, in seconds; None when it did not say.
    """

    def __init__(self, status: int, body: str, retry_after_s: float | None = None) -> None:
        words = f"the server refused the WebSocket upgrade with HTTP status {status}{_later(retry_after_s)}"
        super().__init__(words, reason=body or None)
        self.status = status
        self.body = body
        self.retry_after_s = retry_after_s


class ProxyRefused(ConnectionLost):
    """The proxy refused a tunnel to the server, which never heard of it. What the proxy said is in `reason`.

    Attributes:
        status: HTTP status of the proxy's answer; 407 when it wants other credentials.
        retry_after_s: How long the proxy wants to be left alone, in seconds; None when it did not say.
    """

    def __init__(
        self, message: str, *, status: int, reason: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message + _later(retry_after_s), reason=reason)
        self.status = status
        self.retry_after_s = retry_after_s


def _later(wait_s: float | None) -> str:
    return "" if wait_s is None else f" | try again in {wait_s:g} s"


class DeviceLost(EngineError):
    """A microphone or a loudspeaker gives or takes no more audio, as when it was unplugged. The session lives.

    Open another device and go on with that, or end the session.

    Attributes:
        device: Its name.
        reason: What was seen, in words.
    """

    def __init__(self, device: str, reason: str) -> None:
        super().__init__(f"the sound device {device!r} {reason} | plug it in again, or choose another one")
        self.device = device
        self.reason = reason


class RecordingFailed(EngineError):
    """The recording could not be written on; what was written before stays, and the session lives.

    Attributes:
        path: The file.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"the recording {path} ends early: {reason}")
        self.path = path


class DeadlinePassed(EngineError):
    """A wait took longer than its deadline.

    Attributes:
        deadline: Name of the deadline, as in `connect`.
        limit_s: How long it allowed, in seconds.
    """

    def __init__(self, deadline: str, limit_s: float, *, message: str | None = None) -> None:
        super().__init__(message or f"deadline {deadline!r} of {limit_s:g} s has passed")
        self.deadline = deadline
        self.limit_s = limit_s


class BidiModelTimeoutError(DeadlinePassed):
    """The session's lifetime is over: `timeout_s` has passed, or the service's own cap. Start again to go on.

    Attributes:
        limit_s: 0.0 where the lifetime is not known, as with the service's own cap. The contract's arguments have no
            place for it: who raises the error and knows it sets it.
        restart_config: Keyword arguments for the facade's next `start`. Of a session that was open they hold its
            `history`, as messages, so that the next one goes on with the talk; `SessionConfig(history=...)` takes it.
    """

    def __init__(self, message: str, **restart_config: Any) -> None:
        super().__init__("lifetime", 0.0, message=message)
        self.restart_config = restart_config


class LimitExceeded(EngineError):
    """A bound of `engine.limits` was passed.

    Attributes:
        limit: Name of the bound.
        bound: Its value, in the unit that the name ends with.
        value: What was met.
    """

    def __init__(self, limit: str, bound: float, value: float, way_out: str) -> None:
        super().__init__(f"{limit}: {value:g} is over the bound of {bound:g}; {way_out}")
        self.limit = limit
        self.bound = bound
        self.value = value


class FarmError(EngineError):
    """A farm's run can't begin, or can't go on; its ledger is whole, and the text says what to do."""


class LedgerUnusable(FarmError):
    """A run's ledger can't be used: another run holds it, another version wrote it, it is broken, or the disk is full.

    Attributes:
        path: The ledger's file.
    """

    def __init__(self, path: str, why: str, way_out: str) -> None:
        super().__init__(f"{path}: {why} | {way_out}")
        self.path = path


class TargetLost(FarmError):
    """The simulator that a run started for its sessions died while they talked to it."""


class BackendUnavailable(FarmError):
    """Workers can't be had: Ray is missing, of another version, or not reached; or they die as they start."""
