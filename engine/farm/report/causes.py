"""Why sessions failed, gathered: errors by kind, and expectations by what was expected."""

import attrs

from engine.farm.job import ErrorKind, Result

MOST_EXPECTATIONS = 200
"""Expectations that are told apart; a data set may bring a reference text of its own for each row."""


@attrs.define(kw_only=True)
class ErrorCause:
    """Tries that broke in one way.

    Attributes:
        kind: Which.
        tries: How many.
        final: Of these, how many were their job's last.
        example: The words of the first.
        job: Its number.
    """

    kind: ErrorKind
    tries: int = 0
    final: int = 0
    example: str = ""
    job: int = 0


@attrs.define(kw_only=True)
class ExpectationCause:
    """An expectation over all sessions that had it.

    Attributes:
        expected: In words.
        judged: Sessions that had it.
        failed: In how many it did not hold.
        example: What was found instead, in the first.
        job: Its number.
    """

    expected: str
    judged: int = 0
    failed: int = 0
    example: str = ""
    job: int = 0


class Causes:
    """Collects causes, a result at a time."""

    def __init__(self) -> None:
        self._errors: dict[str, ErrorCause] = {}
        self._expectations: dict[str, ExpectationCause] = {}
        self.not_told_apart = 0
        """Expectations that failed and are not listed, since there are too many of them."""

    def add(self, result: Result, *, final: bool) -> None:
        """Take note of a try."""
        if result.error_kind is not None:
            self._error(result.error_kind, result, final=final)
        if final:
            self._judge(result)

    def _error(self, kind: ErrorKind, result: Result, *, final: bool) -> None:
        found = self._errors.setdefault(kind, ErrorCause(kind=kind, example=result.error, job=result.job))
        found.tries += 1
        found.final += final

    def _judge(self, result: Result) -> None:
        for verdict in result.verdicts:
            found = self._expectations.get(verdict.expected)
            if found is None and len(self._expectations) >= MOST_EXPECTATIONS:
                self.not_told_apart += not verdict.held
                continue
            if found is None:
                found = self._expectations[verdict.expected] = ExpectationCause(expected=verdict.expected)
            found.judged += 1
            if not verdict.held:
                if not found.failed:
                    found.example, found.job = verdict.found, result.job
                found.failed += 1

    @property
    def errors(self) -> list[ErrorCause]:
        """Give the kinds of error, the most frequent first."""
        return sorted(self._errors.values(), key=lambda cause: -cause.tries)

    @property
    def expectations(self) -> list[ExpectationCause]:
        """Give the expectations, those that failed most first."""
        return sorted(self._expectations.values(), key=lambda cause: -cause.failed)


def why(result: Result) -> str:
    """Say in one line why a session did not pass; empty where it did."""
    if result.error or result.error_kind:
        return result.error or str(result.error_kind)
    failed = [verdict for verdict in result.verdicts if not verdict.held]
    if not failed:
        return "" if result.status == "passed" else result.status
    first = failed[0].expected + (f": {failed[0].found}" if failed[0].found else "")
    return f"{first} (and {len(failed) - 1} more)" if len(failed) > 1 else first
