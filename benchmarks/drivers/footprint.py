"""Import time and installed size, by the peer's own Python: `footprint.py MODULE[:NAME] REQUIREMENT...`. Prints JSON.

A module may load what it offers when it is first touched: with a name, the time until that is there is told too.
Size is that of the files of the required distributions and all that they depend on, without compiled caches.
"""

import importlib
import json
import sys
import time
from importlib import metadata
from pathlib import Path


def imported(used: str) -> dict[str, float]:
    """Import it in this fresh process, then touch what is used."""
    module, _, name = used.partition(":")
    wall, cpu, before = time.perf_counter(), time.process_time(), len(sys.modules)
    there = importlib.import_module(module)
    bare = {"import_cpu_ms": 1000 * (time.process_time() - cpu)}
    if name:
        getattr(there, name)
    return bare | {
        "used_ms": 1000 * (time.perf_counter() - wall),
        "used_cpu_ms": 1000 * (time.process_time() - cpu),
        "modules": len(sys.modules) - before,
    }


def installed(requirements: list[str]) -> dict[str, float]:
    """Add up the distributions, each once."""
    sizes: dict[str, int] = {}
    waiting = [(parsed.name, frozenset(parsed.extras)) for parsed in map(_parse, requirements)]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        sizes[distribution.name.lower()] = _size(distribution)
        for text in distribution.requires or ():
            needed = _parse(text)
            wanted = needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras | {""})
            if wanted:
                waiting.append((needed.name, frozenset(needed.extras)))
    return {"installed_mib": sum(sizes.values()) / 2**20, "distributions": len(sizes)}


def _parse(text: str):
    # pip is in each environment, and reads markers as it did when it installed.
    from pip._vendor.packaging.requirements import Requirement  # noqa: PLC0415

    return Requirement(text)


def _size(distribution: metadata.Distribution) -> int:
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        tops = (distribution.read_text("top_level.txt") or "engine").split()
        files = [path for top in tops for path in Path(origin["url"].removeprefix("file://"), top).rglob("*")]
    else:
        files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc" and path.is_file())


if __name__ == "__main__":
    print(json.dumps(imported(sys.argv[1]) | installed(sys.argv[2:])))
