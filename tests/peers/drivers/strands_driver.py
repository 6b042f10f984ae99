"""Runs in the environment of the seed's agent: takes jobs from stdin, one JSON line each, and answers with one line."""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "integrations")]

from strands_talks import hold  # noqa: E402


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What libraries print must not stand between the answers.
    for line in sys.stdin:
        answers.write(json.dumps(hold(**json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
