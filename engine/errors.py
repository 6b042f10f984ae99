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
|  `- HandshakeRejected               the upgrade was refused with an HTTP status
|- DeadlinePassed                     a named wait took too long
|  `- BidiModelTimeoutError           the session's lifetime is over: start again
`- LimitExceeded                      a named bound of `engine.limits` was passed
```

Each carries fields, not only text, so that a program can act on it.
"""

from typing import Any


class EngineError(Exception):
    """Anything that the engine raises on purpose."""


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


class HandshakeRejected(ConnectionLost):
    """The server refused the WebSocket upgrade.

    Attributes:
        status: HTTP status of the answer.
        body: At most `limits.handshake_body_max_bytes` of the answer's body.
    """

    def __init__(self, status: int, body: str) -> None:
        super().__init__(f"the server refused the WebSocket upgrade with HTTP status {status}", reason=body or None)
        self.status = status
        self.body = body


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
        restart_config: Keyword arguments for the next `start`.
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
