"""`python -m tests.fuzz TARGET`: fuzz as long as one likes. See `docs/design/faults.md`.

With atheris (`pip install atheris`) inputs are led by coverage, and what reaches new code is kept; without it, or with
`--own`, they are made from a seed. What fails is shrunk, written into `--findings`, and told.
"""

import argparse
import logging
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from fuzz_mutator import Mutator  # noqa: E402
from fuzz_samples import words  # noqa: E402
from fuzz_targets import CORPUS, TARGETS, Target, as_bytes, fails, shrunk  # noqa: E402


def main() -> int:
    options = _options()
    logging.disable(logging.CRITICAL)
    target = TARGETS[options.target]
    if not options.own:
        try:
            import atheris
        except ImportError:
            print("atheris is not installed: inputs are made from the seed alone", file=sys.stderr)
        else:
            return _led_by_coverage(atheris, target, options)
    return _from_a_seed(target, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz a part of the engine.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=10_000, help="how many inputs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--own", action="store_true", help="don't use atheris")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder of what fails")
    return parser.parse_args()


def _from_a_seed(target: Target, options: argparse.Namespace) -> int:
    mutator = Mutator(options.seed, words())
    started, found = time.monotonic(), 0
    for _ in range(options.runs):
        data = as_bytes(target.make(mutator))
        how = fails(target, data)
        if how is not None:
            found += 1
            _tell(target, shrunk(target, data), how, options.findings)
    took_s = time.monotonic() - started
    print(f"{options.runs:,} inputs of seed {options.seed} in {took_s:.1f} s, {found} failed")
    return min(found, 1)


def _led_by_coverage(atheris, target: Target, options: argparse.Namespace) -> int:
    grown = options.findings / "corpus" / target.name
    grown.mkdir(parents=True, exist_ok=True)
    atheris.instrument_all()
    prefix = f"-artifact_prefix={options.findings}/{target.name}-"
    arguments = [sys.argv[0], f"-runs={options.runs}", f"-seed={options.seed or 1}", "-max_len=16384", prefix]
    atheris.Setup([*arguments, str(grown), str(CORPUS / target.name)], target.check)
    atheris.Fuzz()
    return 0


def _tell(target: Target, data: bytes, how: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{target.name}-{abs(hash(data)):016x}"
    path.write_bytes(data)
    print(f"{how}: {path}, {len(data)} bytes: {data[:300]!r}")


if __name__ == "__main__":
    sys.exit(main())
