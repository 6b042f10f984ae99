"""Keeps secrets out of what others say: a key that a server, a proxy or a library repeats is replaced by a note.

Our own words never hold a key. But a server may quote it, as in "Incorrect API key provided: ...", in an error, in the
body of a refusal, in a close reason, or within bytes that a library's exception quotes. So it is replaced at the door.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import attrs

NOT_SHOWN: Final = "(not shown)"
"""Stands for whatever is secret."""

SECRET_MIN_CHARS: Final = 16
"""Shorter keys than this are not searched for: they would be found in words and audio that have nothing of a key."""

CAUSES_MAX: Final = 32
"""How many exceptions behind one are looked into."""

_KEY = re.compile(r"(?<![A-Za-z0-9])(?:sk-|ek_)[A-Za-z0-9_-]{8,}")
"""Keys and client secrets of the service. Base64 has neither `-` nor `_`, so no audio looks like one."""

_SECRET_NAME: Final = re.compile("key|token|secret|auth|passw|signature|^sig$|credential|cookie", re.IGNORECASE)
"""Names of headers and query parameters that hold secrets. Others hold models, versions and ids, which servers have to
say again."""


@attrs.frozen
class Secrets:
    """What must not show.

    Attributes:
        texts: Each in every way of writing it that may come back. Short ones are left out.
    """

    texts: tuple[str, ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, *secrets: str) -> "Secrets":
        """Take secrets as they are."""
        long = (secret for secret in secrets if len(secret) >= SECRET_MIN_CHARS)
        return cls(tuple(dict.fromkeys(form for secret in long for form in _forms(secret))))

    @classmethod
    def to(cls, url: str, headers: Sequence[tuple[str, str]], proxy: str | None = None) -> "Secrets":
        """Collect the secrets of a connection.

        Args:
            url: Its query may hold some.
            headers: The first one holds the key, whatever its name.
            proxy: It may have a password.
        """
        pairs = [*headers[1:], *parse_qsl(urlsplit(url).query)]
        values = [value for _, value in headers[:1]] + [value for name, value in pairs if _SECRET_NAME.search(name)]
        return cls.of(*(piece for value in values for piece in _pieces(value)), *_of_proxy(proxy))

    def masked(self, text: str) -> str:
        """Replace them wherever they stand."""
        for secret in self.texts:
            if secret in text:
                text = text.replace(secret, NOT_SHOWN)
        return text

    def mask_error(self, error: BaseException) -> None:
        """Replace them in an exception and in those behind it, in place: in their arguments and attributes."""
        if not self.texts:
            return
        for each in _behind(error):
            each.args = self._clean(each.args)
            for name, value in list(vars(each).items()):
                setattr(each, name, self._clean(value))

    def _clean(self, value: Any) -> Any:
        match value:
            case str():
                return self.masked(value)
            case bytes() | bytearray():
                text = self.masked(value.decode("latin-1"))
                return value if NOT_SHOWN not in text else type(value)(text, "latin-1")
            case tuple() | list():
                return type(value)(map(self._clean, value))
            case dict():
                return {key: self._clean(part) for key, part in value.items()}
            case None | bool() | int() | float() | BaseException():
                return value
            case _:  # Libraries have classes of their own for what a peer said; a text stands for one that holds a key.
                shown = repr(value)
                return value if self.masked(shown) == shown else self.masked(shown)


def keys_masked(text: str) -> str:
    """Replace what looks like a key of the service, whoever's it is."""
    return _KEY.sub(NOT_SHOWN, text) if "sk-" in text or "ek_" in text else text


def _pieces(value: str) -> Iterator[str]:
    """Take apart what stands in one header, as `Bearer ...` and the values of cookies."""
    for piece in re.split("[ ;,]+", value):
        yield from (piece, piece.partition("=")[2])


def _forms(secret: str) -> Iterator[str]:
    """Give the ways in which a secret may come back: as it is, in JSON, in an address."""
    in_json = json.dumps(secret)[1:-1]
    yield from (secret, in_json, in_json.replace("/", "\\/"), quote(secret, safe=""), quote(secret))


def _of_proxy(proxy: str | None) -> Sequence[str]:
    parts = urlsplit(proxy or "")
    password = unquote(parts.password or "")
    if not password:
        return ()
    basic = base64.b64encode(f"{unquote(parts.username or '')}:{password}".encode()).decode()
    return (password, basic)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """Give an exception, its causes, contexts and parts, each once."""
    found: dict[int, BaseException] = {}
    waiting: list[BaseException | None] = [error]
    while waiting and len(found) < CAUSES_MAX:
        each = waiting.pop()
        if each is None or id(each) in found:
            continue
        found[id(each)] = each
        waiting += [each.__context__, each.__cause__]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    yield from found.values()
