"""Which session may start when: the farm's rules as plain arithmetic, without clocks, tasks or I/O.

`Policy` is told what happens and when, and says what may start. Times are seconds of any one monotonic clock.
"""

from engine.farm.job import ErrorKind, Status
from engine.farm.plan.model import Caps, Load, Retries
from engine.farm.policy.admission import Policy
from engine.farm.policy.retries import ERRORS, ErrorRule, retry_wait_s
from engine.farm.policy.rules import PolicyStatistics, Rules

__all__ = [
    "ERRORS",
    "Caps",
    "ErrorKind",
    "ErrorRule",
    "Load",
    "Policy",
    "PolicyStatistics",
    "Retries",
    "Rules",
    "Status",
    "retry_wait_s",
]
