"""How a connection on websockets ends: what is known of it, and the error that tells it."""

from websockets.exceptions import PayloadTooBig

from engine.errors import ConnectionLost, LimitExceeded
from engine.transport.inbound import Inbound


class Ending:
    """What is known of a connection's end, by whoever reads, writes or closes.

    Args:
        inbound: Knows what the peer has said.
        message_hard_max_bytes: A larger message ends the connection.

    Attributes:
        broken: What reading or writing raised first.
        is_torn: True once a frame was cut off while it was written: nothing can be written any more.
        is_closing: True once our own side has said goodbye.
    """

    __slots__ = ("_bound", "_inbound", "broken", "is_closing", "is_torn")

    def __init__(self, inbound: Inbound, message_hard_max_bytes: int) -> None:
        self._inbound = inbound
        self._bound = message_hard_max_bytes
        self.broken: Exception | None = None
        self.is_torn = False
        self.is_closing = False

    def cannot_write(self) -> bool:
        """Tell whether nothing more can be sent."""
        return self.is_torn or self.broken is not None or not self._inbound.is_open

    def check_open(self) -> None:
        """Raise where nothing more can be sent.

        Raises:
            ConnectionLost: So it is.
        """
        if self.cannot_write():
            raise self.lost()

    def failed(self, error: Exception) -> ConnectionLost:
        """Note what reading or writing raised; give the error that tells it."""
        self.broken = self.broken or error
        return self.lost()

    def lost(self) -> ConnectionLost:
        """Say how the connection ended."""
        error, told = self._inbound.error, self._inbound.told
        if isinstance(error, PayloadTooBig):
            return _over_bound(self._bound, error)
        if error is not None and not isinstance(error, EOFError):
            why = str(error)
            lost = ConnectionLost(f"the server sent what is no WebSocket frame: {why}", reason=why)
        elif told is not None:
            lost = _ended(told.code, told.reason)
        elif self.is_closing:
            lost = _ended(1000)
        elif error is not None or self.broken is not None:
            lost = _ended(1006)
        else:
            lost = ConnectionLost("the connection broke: a message was cut off while it was written")
        lost.__cause__ = self.broken or error
        return lost


def _ended(code: int, reason: str = "") -> ConnectionLost:
    words = f": {reason}" if reason else ""
    return ConnectionLost(
        f"the connection ended with close code {code:d}{words}", code=int(code), reason=reason or None
    )


def _over_bound(bound: int, error: Exception) -> ConnectionLost:
    over = LimitExceeded("MESSAGE_HARD_MAX_BYTES", bound, bound + 1, "ask for less at once, as with shorter items")
    over.__cause__ = error
    lost = ConnectionLost(f"a message was over the bound of {bound} bytes", code=1009, reason=str(error))
    lost.__cause__ = over
    return lost
