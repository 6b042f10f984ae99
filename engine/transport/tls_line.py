"""Carries bytes under TLS: all records that one read has brought are decrypted in one go.

`trio.SSLStream` gives one record at a time, at the price of a task switch and more each.
"""

import contextlib
import ssl
from collections.abc import Awaitable
from typing import Final

import trio

from engine.transport.lines import Line, read
from engine.transport.streams import default_context, tls_told

_RECORD_MAX_BYTES: Final = 2**14
"""What a TLS record can hold (RFC 8446, 5.1)."""

_WRITTEN_MAX_BYTES: Final = _RECORD_MAX_BYTES + 2048 + 5
"""As it is written, with its head (RFC 5246, 6.2.3; RFC 8446 has less)."""

_HEAD_BYTES: Final = 5
_TYPES: Final = range(20, 25)


async def secure_line(line: Line, host: str, port: int, context: ssl.SSLContext | None) -> "TlsLine":
    """Make the TLS handshake as a client, and check who answers.

    Raises:
        ConnectionLost: It failed; `CertificateRefused` when the certificate does not hold, as one of another host.
    """
    secured = TlsLine(line, context or default_context(), host)
    with tls_told(host, port):
        await secured.shake_hands()
    return secured


class TlsLine:
    """Bytes under TLS, as a client.

    Args:
        line: Carries the records.
        context: Its settings, and whom to trust.
        host: Who must answer.
    """

    def __init__(self, line: Line, context: ssl.SSLContext, host: str) -> None:
        self._line = line
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._records = Records()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._is_over = False
        self._broken: ssl.SSLError | None = None
        self.is_prompt = line.is_prompt
        self.stream = line.stream

    @property
    def owes(self) -> bool:
        """Tell whether the library has an answer of its own to send, as to an update of keys."""
        return self._outgoing.pending > 0

    async def shake_hands(self) -> None:
        """Make the handshake, and check who answers.

        Raises:
            trio.BrokenResourceError: It failed; its cause tells why.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send()
                await self._put_next()
            except (ssl.SSLError, ssl.CertificateError) as error:
                await self._alert()
                raise trio.BrokenResourceError from error
            else:
                await self._send()
                return

    def read_nowait(self) -> bytes | None:
        """Give what has come."""
        self._check()
        if not self._is_over and not self._records.has_come:
            records = self._line.read_nowait()
            if records is None:
                return None
            self._is_over = not records
            self._records.feed(records)
        data = self._decrypted()
        if not data:
            self._check()  # Who waits for more may wait for ever.
        return data if data or self._is_over else None

    def readable(self) -> Awaitable[None]:
        """Wait for it."""
        return self._line.readable()

    def write(self, data: bytes) -> bool:
        """Begin to write."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._tls.write(rest) :]
        except ssl.SSLError as error:
            raise trio.BrokenResourceError(str(error)) from error
        return self._line.write(self._outgoing.read())

    async def flush(self) -> None:
        """Finish what was begun."""
        await self._line.flush()

    def _check(self) -> None:
        if self._broken is not None:
            raise trio.BrokenResourceError(str(self._broken)) from self._broken

    def _decrypted(self) -> bytes:
        """Give all that can be read of what has come."""
        plain = []
        while (record := self._records.next()) is not None:
            self._incoming.write(record)
            try:
                plain.append(self._tls.read(_RECORD_MAX_BYTES))
            except ssl.SSLWantReadError:
                continue  # It was for the library, as a ticket for the next session.
            except ssl.SSLError as error:
                self._broken = error  # Told after what came before it.
                break
            if not plain[-1]:
                self._is_over = True
                break
        return plain[0] if len(plain) == 1 else b"".join(plain)

    async def _put_next(self) -> None:
        """Give the library the next record, or the end."""
        while (record := self._records.next()) is None:
            data = await read(self._line)
            if not data:
                self._incoming.write_eof()
                return
            self._records.feed(data)
        self._incoming.write(record)

    async def _alert(self) -> None:
        """Tell the server what is wrong, if there is room for that and it still listens."""
        with trio.CancelScope(deadline=trio.current_time()), contextlib.suppress(trio.BrokenResourceError):
            await self._send()

    async def _send(self) -> None:
        data = self._outgoing.read()
        if data and not self._line.write(data):
            await self._line.flush()


class Records:
    """Cuts what comes into TLS records.

    Whole ones can be decrypted without asking in vain; and the library, which never gives memory back, holds one.
    """

    def __init__(self) -> None:
        self._data = b""
        self._at = 0
        self.has_come = False
        """There may be whole ones."""

    def feed(self, data: bytes) -> None:
        """Add what has come."""
        self._data = self._data[self._at :] + data
        self._at = 0
        self.has_come = True

    def next(self) -> bytes | None:
        """Give the next record, if it is whole; or what can't be one, whole or not."""
        data, at = self._data, self._at
        if len(data) - at >= _HEAD_BYTES:
            size = _HEAD_BYTES + int.from_bytes(data[at + 3 : at + 5])
            if data[at] not in _TYPES or size > _WRITTEN_MAX_BYTES:
                size = len(data) - at
            if len(data) - at >= size:
                self._at += size
                return data[at : at + size]
        self._data, self._at, self.has_come = data[at:], 0, False
        return None
