"""What an error means for the job, the pace and the run, as one table; and how long a job waits for its next try."""

import hashlib
from collections.abc import Mapping
from typing import Final

import attrs

from engine.farm.job import ErrorKind, Result, Status
from engine.farm.plan.model import Retries


@attrs.frozen
class ErrorRule:
    """What follows from an error.

    Attributes:
        retry: The same job may go well another time.
        pace: What the pace of starts is multiplied by.
        ends_run_after: So many such ends in a row, with no other between them, end admission; None for never.
    """

    retry: bool
    pace: float = 1.0
    ends_run_after: int | None = None


ERRORS: Final[Mapping[ErrorKind, ErrorRule]] = {
    "connection": ErrorRule(retry=True),
    "rate_limited": ErrorRule(retry=True, pace=0.5),
    # The job is not to blame: it stays open, for a resumed run with a fresh quota.
    "quota": ErrorRule(retry=True, pace=0.25, ends_run_after=5),
    # More than any one scenario's own mistake would give while others go well.
    "refused": ErrorRule(retry=False, ends_run_after=10),
    "service": ErrorRule(retry=True),
    "deadline": ErrorRule(retry=True),
    "caller": ErrorRule(retry=False),
    "tool": ErrorRule(retry=False),
    # A fault of ours stays visible instead of being tried away.
    "crash": ErrorRule(retry=False),
    "worker": ErrorRule(retry=True),
}

LOST: Final = ErrorRule(retry=True)
"""Of a try that went away with its worker."""

NONE: Final = ErrorRule(retry=False)
"""Of a session that ran to its end."""

RETRY_AFTER_MAX_S: Final = 3600.0
"""Longest wish of the service that is heard, in s: OpenAI's limits are counted by the minute and the day, and a run
should rather be resumed later than sleep for half a day."""

_UNTRIED: Final[Mapping[Status, ErrorRule]] = {"passed": NONE, "failed": NONE, "lost": LOST}


def rule_for(result: Result) -> ErrorRule:
    """Give the rule that a result falls under. An error without a kind counts as the service's."""
    rule = _UNTRIED.get(result.status)
    return ERRORS[result.error_kind or "service"] if rule is None else rule


def retry_wait_s(result: Result, retries: Retries, *, tries: int | None = None) -> float | None:
    """Say how long the job of a result waits for its next try.

    Args:
        result: What came of the last try.
        retries: The plan's.
        tries: How many tries count so far, this one too; the number of the attempt where it is not given. Pass it where
            attempts were stopped, which are no fault of the job.

    Returns:
        Seconds, the same for the same result each time; None where the result is the job's last.
    """
    if result.status == "stopped":
        return 0.0
    tried = result.attempt if tries is None else tries
    if not rule_for(result).retry or tried >= retries.attempts:
        return None
    return max(_backoff_s(result, retries, max(tried, 1)), wish_s(result))


def wish_s(result: Result) -> float:
    """Give the service's own wish for how long to wait, bounded; 0 where it had none."""
    return min(max(result.retry_after_s or 0.0, 0.0), RETRY_AFTER_MAX_S)


def _backoff_s(result: Result, retries: Retries, tried: int) -> float:
    # Half of it stands, half is drawn: jobs that broke together come back apart (AWS: Exponential Backoff And Jitter).
    doublings = min(tried - 1, 64)
    longest = min(retries.wait_s * 2.0**doublings, retries.wait_max_s)
    return longest * (0.5 + 0.5 * _drawn(result.job, result.attempt))


def _drawn(job: int, attempt: int) -> float:
    # From the job instead of a generator: a resumed run, a test and a bug report draw the same.
    digest = hashlib.blake2b(b"%d:%d" % (job, attempt), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64
