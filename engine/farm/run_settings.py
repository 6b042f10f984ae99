"""What a run is told, looked over before anything starts: workers, sessions, memory, key."""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs

from engine.config.addresses import is_loopback
from engine.errors import ConfigError
from engine.farm.backends import BackendFactory
from engine.farm.backends.local import LocalBackend
from engine.farm.backends.processes import ProcessesBackend
from engine.farm.plan.model import Plan
from engine.farm.plan.settings import ANY_KEY
from engine.farm.processes.target import servers_of
from engine.farm.worker.vitals import machine_memory

MEMORY_SHARE: Final = 0.8
"""Of this machine's memory, for all workers together: past it the machine would kill whom it likes."""

PROCESS_BYTES: Final = 96 * 2**20
"""Least room that a worker or a simulator is of any use with: before its first session one takes 54 MB, the other 39 MB
(measured)."""

LEASE_MIN_S: Final = 1.0
"""A shorter lease would end with any pause of the coordinator's."""

BACKENDS: Final[Mapping[str, BackendFactory]] = {"local": LocalBackend, "processes": ProcessesBackend}


def share_of_memory(workers: int) -> int | None:
    """Give the bound of one worker's memory on this machine; None where nobody tells how much there is."""
    return int(machine_memory() * MEMORY_SHARE / workers) or None


def backend_of(backend: str | BackendFactory | None, workers: int) -> BackendFactory:
    """Choose where workers run.

    Raises:
        ConfigError: There is no backend of that name.
    """
    if callable(backend):
        return backend
    name = backend or ("local" if workers == 1 else "processes")
    if name not in BACKENDS:
        raise ConfigError("backend", name, " or ".join(BACKENDS))
    return BACKENDS[name]


def check_settings(
    plan: Plan | None, *, workers: int, sessions: int | None, resume: bool, lease_s: float, grace_s: float
) -> None:
    """Refuse settings of a run that can't be.

    Raises:
        ConfigError: One can't.
    """
    for name, value, least in (
        ("workers", workers, 1),
        ("sessions", sessions, 1),
        ("lease_s", lease_s, LEASE_MIN_S),
        ("grace_s", grace_s, 0.0),
    ):
        if value is not None and not value >= least:
            raise ConfigError(name, value, f"{least:g} or more")
    if plan is None and not resume:
        raise ConfigError(
            "plan", None, "a plan", message="there is no plan | give one, or resume=True with a run's folder"
        )


def check_room(plan: Plan | None, workers: int, *, in_processes: bool) -> None:
    """Refuse workers that this machine has no memory for: it would kill the run, or somebody else.

    Raises:
        ConfigError: It has none.
    """
    simulators = servers_of(plan, workers) if plan is not None else 0
    processes = workers * in_processes + simulators
    most = int(machine_memory() * MEMORY_SHARE / PROCESS_BYTES)
    if processes <= max(most, 2) or not most:
        return
    what = f"{workers:,} workers" + (f" and {simulators:,} simulators" if simulators else "")
    message = f"{what} are more processes than this machine has memory for ({most:,}) | auto takes one a core"
    raise ConfigError("workers", workers, f"at most {most:,} processes", message=message)


def with_sessions(plan: Plan, sessions: int | None) -> Plan:
    """Have another number of sessions at a time."""
    if sessions is None:
        return plan
    load = attrs.evolve(plan.load, sessions=sessions) if plan.load.sessions is not None else plan.load
    return attrs.evolve(plan, load=load, caps=attrs.evolve(plan.caps, sessions=sessions))


def key_of(plan: Plan) -> str:
    """Take the service's key from the environment; workers on other machines have another one.

    Raises:
        ConfigError: It is not there.
    """
    if plan.target.kind == "simulator":
        return ""
    key = os.environ.get(plan.target.key_env, "")
    if not key and is_loopback(urlsplit(plan.target.url or "").hostname or ""):
        return ANY_KEY  # A simulator that somebody else started.
    if not key:
        message = (
            f"the environment has no {plan.target.key_env} | export it, or set target.key_env to the variable's name"
        )
        raise ConfigError("target.key_env", plan.target.key_env, "a variable that holds the key", message=message)
    return key
