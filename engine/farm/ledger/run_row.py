"""The run itself, as the ledger's one row of it: its id, its plan, and how the plan changed."""

import secrets
import sqlite3
from pathlib import Path

import attrs
from cattrs import BaseValidationError

from engine.errors import LedgerUnusable
from engine.farm.codec import from_json, to_json
from engine.farm.ledger.plans import differences, forbidden
from engine.farm.ledger.writing import write_note
from engine.farm.plan.model import Plan


@attrs.frozen
class Run:
    """Whose ledger it is.

    Attributes:
        run_id: Eight hexadecimal digits.
        plan: What it goes by.
        engine_version: Of the engine that began it.
        created_at: Unix time, in s.
    """

    run_id: str
    plan: Plan
    engine_version: str
    created_at: float


def new_run(plan: Plan, run_id: str | None, now: float) -> Run:
    """Give a run that begins now."""
    return Run(run_id or secrets.token_hex(4), plan, _engine_version(), now)


def _engine_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only who begins a run needs it

    try:
        return version("realtime-engine")
    except PackageNotFoundError:  # run from its source, without an installation
        return ""


def write_run(db: sqlite3.Connection, path: Path, run: Run) -> None:
    """Write the row of a new run.

    Raises:
        LedgerUnusable: The plan can't be written.
    """
    db.execute(
        "INSERT INTO run (run_id, name, plan_json, engine_version, created_at) VALUES (?, ?, ?, ?, ?)",
        (run.run_id, run.plan.name, _plan_json(run.plan, path), run.engine_version, run.created_at),
    )


def _plan_json(plan: Plan, path: Path) -> str:
    try:
        return to_json(plan).decode()
    except TypeError as error:  # half surrogates: Python's stand-ins for bytes of a path that are no UTF-8
        way_out = "give folders and files of the plan names in UTF-8"
        raise LedgerUnusable(str(path), "the plan has a name or a text that is no Unicode", way_out) from error


def read_run(db: sqlite3.Connection, path: Path) -> Run:
    """Read the row.

    Raises:
        LedgerUnusable: There is none, or its plan is none.
    """
    row = db.execute("SELECT * FROM run").fetchone()
    if row is None:
        raise LedgerUnusable(str(path), "is broken: it names no run", "begin a new run in another folder")
    try:
        plan = from_json(row["plan_json"], Plan)
    except (BaseValidationError, ValueError, TypeError) as error:
        way_out = "use the realtime-engine that wrote it, or begin a new run in another folder"
        raise LedgerUnusable(str(path), "its plan can't be read", way_out) from error
    return Run(row["run_id"], plan, row["engine_version"], row["created_at"])


def go_on_with(db: sqlite3.Connection, path: Path, run: Run, plan: Plan, now: float) -> Run:
    """Take a plan that differs from the run's in what may differ, and note it.

    Raises:
        LedgerUnusable: It differs in what a session is: its results would not be of one kind.
    """
    plan_json = _plan_json(plan, path)
    changed = list(differences(run.plan, plan))
    refused = [f"{where} ({what})" for where, what in changed if forbidden(where)]
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        way_out = "go on with the plan as it was, or begin a new run in another folder"
        raise LedgerUnusable(str(path), f"the plan is another one: {refused[0]}{more}", way_out)
    if changed:
        db.execute("UPDATE run SET name = ?, plan_json = ?", (plan.name, plan_json))
        write_note(db, "plan", "the plan changed: " + "; ".join(f"{where} {what}" for where, what in changed), now)
    return attrs.evolve(run, plan=plan)
