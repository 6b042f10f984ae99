"""Results made by hand, and drivers that misbehave, for the tests of the benchmark harness."""

from benchmarks.harness.records import Results, Run

TITLES = {"engine": "engine", "seed": "the seed", "floor_picows": "the floor"}

CRASHING = "import os\nBACKEND = 'trio'\nos._exit(3)\n"
KILLED = "import os, signal\nBACKEND = 'trio'\nos.kill(os.getpid(), signal.SIGSEGV)\n"
RAISING = "raise ImportError('no such library here')\n"
UNABLE = """
from client import CannotError
BACKEND = 'trio'
class Client:
    def __init__(self, url, **options): pass
    async def open(self): raise CannotError('it has no such API')
"""
HANGING = """
import time
BACKEND = 'trio'
class Client:
    def __init__(self, url, **options): pass
    async def open(self): time.sleep(600)
"""


def run(contender, round=0, *, scenario="burst", variant="", outcome="measured", words=None, limit=None, **figures):
    return Run(
        scenario=scenario,
        variant=variant,
        contender=contender,
        round=round,
        outcome=outcome,
        words=words,
        figures=figures,
        limit=limit,
    )


def results_of(*runs, path=None):
    about = {"titles": TITLES, "rounds": 3, "commit": "abc", "began": "today", "machine": {}, "command": "as told"}
    results = Results(about, path)
    for each in runs:
        results.add(each)
    return results
