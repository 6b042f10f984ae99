"""A browser's offer of a WebRTC call, as it comes over HTTP, and an answer to it that takes no media."""

from email.parser import BytesParser
from email.policy import HTTP
from typing import Final

import attrs

from engine.simulator.catalogue import MISSING_PARAMETER, Refusal

_HEAD: Final = ("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0")
_MEDIA: Final = "m="


@attrs.frozen
class Offer:
    """What a browser proposes.

    Attributes:
        sdp: Its session description.
        session: The settings that came with it, as JSON text, if they did.
    """

    sdp: str = attrs.field(repr=False)
    session: bytes | None = attrs.field(default=None, repr=False)

    def answer(self) -> str:
        """Answer that each of its media is refused: port 0 (RFC 3264, section 6). The simulator has no media."""
        offered = [line.split(" ", 2) for line in self.sdp.splitlines() if line.startswith(_MEDIA)]
        refused = [f"{kind} 0 {rest}" for kind, _, rest in (line for line in offered if len(line) == 3)]
        return "".join(f"{line}\r\n" for line in (*_HEAD, *refused))


def read_offer(content_type: str, body: bytes) -> Offer:
    """Read the body of a request that makes a call: SDP alone, or a form with `sdp` and `session`.

    Raises:
        Refusal: There is no SDP in it.
    """
    if content_type.startswith("multipart/form-data"):
        parts = _form(content_type, body)
        sdp, session = parts.get("sdp", b""), parts.get("session")
    else:
        sdp, session = body, None
    if not sdp.strip():
        raise Refusal(MISSING_PARAMETER, param="sdp")
    return Offer(sdp.decode("utf-8", "replace"), session)


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    head = f"content-type: {content_type}\r\n\r\n".encode("latin-1", "replace")
    form = BytesParser(policy=HTTP).parsebytes(head + body)
    parts = {}
    for part in form.iter_parts():
        name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            parts[name] = value
    return parts
