"""What `realtime-engine farm run` can be told; the texts below the options are its help."""

from pathlib import Path
from typing import Literal

import attrs
from cyclopts import Parameter

from engine.cli.options import AtLeastOne, NotNegative, Port, Switch


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class RunOptions:
    """The options of `realtime-engine farm run`."""

    sessions: AtLeastOne | None = None
    """At a time, in place of what the plan says."""

    workers: int | Literal["auto"] = 1
    """How many: 1 runs in this process, more in processes of their own; auto takes one for each core."""

    on: str | None = None
    """ray for a Ray cluster (the running one, or one on this machine), ray:HOST:PORT for that of an address."""

    out: Path | None = None
    """Folder of the run; farm-runs/NAME-DATE without."""

    resume: Switch = False
    """Go on with the run in --out; without --out with the newest run of this plan."""

    grace_s: NotNegative = 30.0
    """How many seconds sessions may go on after the first Ctrl-C."""

    web: Port | None = None
    """Port of a page that shows the run, and of its figures for Prometheus at /metrics; 0 takes a free one."""

    web_host: str = "127.0.0.1"
    """Address for the page. On any other than this machine's own, a token in the address lets people in."""

    no_report: Switch = False
    """Write no report at the end."""


DEFAULTS = RunOptions()
