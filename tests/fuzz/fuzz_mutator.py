"""Makes hostile messages of good ones: other values, other shapes, other bytes. The same seed makes the same."""

import json
import random
import string

DEPTHS = (3, 60, 250, 300, 1_000, 1_100, 10_000)
"""Around what readers and writers of JSON bear: orjson writes 254 levels and reads 1,024."""

VALUES = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -0.0,
    1e308,
    2**31,
    2**53 + 1,
    2**63,
    -(2**63),
    2**64 - 1,
    "",
    " ",
    "\0",
    "ß\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT OVERRIDE}",
    "\N{PILE OF POO}" * 40,
    "inf",
    "null",
    "A" * 5_000,
    "AAAA",
    "=",
    [],
    {},
    [[]],
    [None],
    {"type": None},
    {"type": "message"},
    {"extra": {"extra": None}},
    {"__class__": 1, "self": 2, "type": []},
)
"""What may stand where something else belongs."""

RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "9" * 400,
    "0." + "1" * 400,
    "1e-400",
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    "01",
    "+1",
    "tru",
    "'x'",
    "/**/1",
    "[1,]",
    '{"a":1,}',
    '{"a":1,"a":2}',
    "",
)
"""What stands where a value belongs, some of it no JSON."""

BYTES = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b"\\", b'"', b"{", b"}", b"[", b"]", b",", b":")

_MARK = "\N{OBJECT REPLACEMENT CHARACTER}"


class Mutator:
    """Damages JSON objects.

    Args:
        seed: Of all that it does.
        words: Other strings that may stand in a message, as the names of events and fields.
    """

    def __init__(self, seed, words=()):
        self.random = random.Random(seed)
        self._words = list(words)

    def message(self, value):
        """Give a message, as text or bytes, made of a good one by some damage."""
        raws = []
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3, 8))):
            value = self._changed(value, raws)
        text = json.dumps(value, ensure_ascii=self.random.random() < 0.3)
        for raw in raws:
            text = text.replace(json.dumps(_MARK), raw, 1).replace(f'"{_MARK}"', raw, 1)
        if self.random.random() < 0.15:
            return self.damaged(text.encode(errors="surrogatepass"))
        return text

    def damaged(self, data):
        """Give bytes with some of them gone, doubled, flipped or put in."""
        for _ in range(self.random.choice((1, 1, 2, 5))):
            at = self.random.randrange(len(data) + 1)
            to = min(len(data), at + self.random.choice((1, 2, 8, 64)))
            match self.random.randrange(5):
                case 0:
                    data = data[:at] + data[to:]
                case 1:
                    data = data[:to] + data[at:]
                case 2:
                    data = data[:at] + bytes(255 - byte for byte in data[at:to]) + data[to:]
                case 3:
                    data = data[:at] + self.random.choice(BYTES) + data[at:]
                case _:
                    data = data[:at]
        return data

    def _changed(self, value, raws):
        """Give a copy in which one place has changed."""
        path = self.random.choice(list(_places(value)) or [()])
        return self._at(value, path, raws)

    def _at(self, value, path, raws):
        if not path:
            return self._other(value, raws)
        step, rest = path[0], path[1:]
        if isinstance(value, list):
            return [self._at(item, rest, raws) if index == step else item for index, item in enumerate(value)]
        if not rest and self.random.random() < 0.2:
            return self._keys_changed(value, step)
        return {key: self._at(item, rest, raws) if key == step else item for key, item in value.items()}

    def _keys_changed(self, value, key):
        """Drop a key, or let it or another one stand beside it."""
        rest = {name: item for name, item in value.items() if name != key}
        if self.random.random() < 0.5:
            return rest
        return {**value, self._word(): self.random.choice([value[key], *VALUES])}

    def _other(self, value, raws):
        match self.random.randrange(8):
            case 0 | 1 | 2:
                return self.random.choice(VALUES)
            case 3:
                raws.append(self.random.choice(RAW))
                return _MARK
            case 4:
                raws.append(self._deep())
                return _MARK
            case 5:
                return self._word()
            case 6:
                return [value] * self.random.choice((1, 2, 50))
            case _:
                return {self._word(): value}

    def _deep(self):
        depth = self.random.choice(DEPTHS)
        opening, closing = self.random.choice((("[", "]"), ('{"type":', "}"), ('{"item":[', "]}")))
        return opening * depth + "1" + closing * depth

    def _word(self):
        if self._words and self.random.random() < 0.8:
            return self.random.choice(self._words)
        return "".join(self.random.choices(string.printable, k=self.random.choice((0, 1, 9, 200))))


def _places(value, path=()):
    """Name every place in a JSON value, itself included."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in pairs:
        yield from _places(inner, (*path, step))
