"""Runs against real simulators, in real processes, short ones: typed sessions of a fraction of a second."""

import os
import signal
from pathlib import Path

from engine.farm.plan.model import Caps, Keep, Plan, Retries, Scenario, Target, Type, Wait

PACE = {
    "think_ms": 1,
    "first_delta_ms": 1,
    "text_delta_ms": 1,
    "audio_speed": 1e6,
    "rate_limits_ms": 1,
    "transcription_ms": 1,
}


def typed_plan(folder, jobs=8, *, sessions=8, wait_s=0.0, url=None, **more):
    turns = (Type(type="hello"), Wait(wait_s=wait_s)) if wait_s else (Type(type="hello"),)
    target = Target(kind="url", url=url) if url else Target(pace=PACE)
    return Plan(
        name="typed",
        folder=str(folder),
        target=target,
        session=more.pop("session", {"output_modalities": ["text"]}),
        scenarios=(Scenario(name="typed", turns=turns, repeat=jobs, **more),),
        caps=Caps(sessions=sessions, starts_per_s=200.0),
        retries=Retries(attempts=10, wait_s=0.1, wait_max_s=0.2),
        keep=Keep(audio=0.0, events=0.0),
    )


def children_of(pid=None, having="engine.farm"):
    """Give the pids of a process's children, and of theirs, whose command line holds a text."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            parents[int(status.parent.name)] = int(fields[1])
    found, wanted = set(), {pid or os.getpid()}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted} - found
        found |= wanted
    return sorted(child for child in found if having in _command_of(child))


def alive(pids):
    return [pid for pid in pids if _command_of(pid)]


def _command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def send(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
