"""What is fuzzed: each target has a check, and a way to make inputs; the corpus and the shrinking of what fails."""

import json
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import attrs
from fuzz_codec import check_codec
from fuzz_conversation import check_conversation
from fuzz_mutator import Mutator
from fuzz_samples import samples, words
from fuzz_sessions import check_clients, check_session
from fuzz_streams import GREETING, REQUEST, check_server, check_transport, frame
from fuzz_talks import talk

from engine.wire.client import CLIENT_CLASSES

CORPUS = Path(__file__).parent / "corpus"
SHRINK_CHECKS = 2_000
CLIENT_NAMES = tuple(cls.__name__ for cls in CLIENT_CLASSES.values())
MASK = b"\1\2\3\4"
OPCODES = (0, 1, 1, 1, 2, 3, 8, 9, 10)
CUTS = (5, 200, 100_000)


@attrs.frozen
class Target:
    """One thing that is fuzzed.

    Attributes:
        check: Takes bytes; raises what is wrong.
        make: Makes an input with a mutator's help.
        separator: Between the parts of an input that are left out one by one to shrink it.
    """

    check: Callable[[bytes], None]
    make: Callable[[Mutator], str | bytes]
    separator: bytes = b"\n"

    @property
    def name(self) -> str:
        """Its name, and its folder in the corpus."""
        return next(name for name, target in TARGETS.items() if target is self)

    def corpus(self) -> list[Path]:
        """Give the inputs that are kept."""
        return sorted(path for path in (CORPUS / self.name).iterdir() if path.is_file())


def _message(mutator: Mutator) -> str | bytes:
    return mutator.message(mutator.random.choice(list(samples().values())))


def _of_a_client(mutator: Mutator) -> str:
    good = samples()[mutator.random.choice(CLIENT_NAMES)]
    message = mutator.message(good) if mutator.random.random() < 0.7 else json.dumps(good)
    return message if isinstance(message, str) else message.decode(errors="replace")


def _clients_talk(mutator: Mutator) -> str:
    return "\n".join(" ".join(_of_a_client(mutator).splitlines()) for _ in range(mutator.random.randint(1, 20)))


def _servers_bytes(mutator: Mutator) -> bytes:
    rng = mutator.random
    data = GREETING
    for _ in range(rng.randint(0, 6)):
        payload = json.dumps(rng.choice(list(samples().values()))).encode()[: rng.choice(CUTS)]
        data += frame(payload, rng.choice(OPCODES), fin=rng.random() < 0.8)
    return mutator.damaged(data) if rng.random() < 0.8 else data


def _clients_bytes(mutator: Mutator) -> bytes:
    rng = mutator.random
    data = REQUEST
    for _ in range(rng.randint(0, 6)):
        payload = _of_a_client(mutator).encode(errors="replace")[: rng.choice(CUTS)]
        data += frame(payload, rng.choice(OPCODES), fin=rng.random() < 0.9, mask=MASK)
    return mutator.damaged(data) if rng.random() < 0.6 else data


TARGETS = {
    "codec": Target(check_codec, _message, b","),
    "conversation": Target(check_conversation, talk),
    "session": Target(check_session, talk),
    "transport": Target(check_transport, _servers_bytes, b"\r\n"),
    "server": Target(check_server, _clients_bytes, b"\r\n"),
    "clients": Target(check_clients, _clients_talk),
}


def as_bytes(data: str | bytes) -> bytes:
    """Give an input as a file holds it."""
    return data if isinstance(data, bytes) else data.encode(errors="surrogatepass")


@contextmanager
def told(data: bytes):
    """Add to what fails what it failed on."""
    try:
        yield
    except Exception as error:
        error.add_note(f"input, {len(data)} bytes: {data[:2_000]!r}")
        raise


def run(target: Target, count: int, seed: int) -> int:
    """Check so many inputs that are made from a seed.

    Raises:
        Exception: The first that fails; its note has the input.
    """
    mutator = Mutator(seed, words())
    for _ in range(count):
        data = as_bytes(target.make(mutator))
        with told(data):
            target.check(data)
    return count


def fails(target: Target, data: bytes) -> str | None:
    """Tell how an input fails, or None."""
    try:
        target.check(data)
    except BaseException as error:  # whatever it is, it is what was looked for
        if isinstance(error, KeyboardInterrupt):
            raise
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        return type(error).__name__
    return None


def shrunk(target: Target, data: bytes) -> bytes:
    """Give a smaller input that fails alike: parts are left out, then bytes, larger stretches first."""
    how, checks = fails(target, data), 0
    for separator in (target.separator, b""):
        parts = data.split(separator) if separator else [bytes([byte]) for byte in data]
        size = len(parts) // 2
        while size and checks < SHRINK_CHECKS:
            at = 0
            while at < len(parts) and checks < SHRINK_CHECKS:
                rest = parts[:at] + parts[at + size :]
                checks += 1
                if fails(target, separator.join(rest)) == how:
                    parts = rest
                else:
                    at += size
            size //= 2
        data = separator.join(parts)
    return data
