import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from entries import PLAN, RUN, Clock

from engine.farm.ledger import Ledger


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def ledger(folder, clock):
    """A new run's ledger, its first stretch begun."""
    with Ledger.create(folder, PLAN, run_id=RUN, unix_time=clock) as ledger:
        ledger.begin_session()
        yield ledger


@pytest.fixture
def reopened(folder, clock):
    """Go on with the run, as after a death: give the ledger and what it told."""
    opened = []

    def again(ledger=None, **options):
        for each in (ledger, *opened):
            if each is not None:
                each.close()
        opened.append(Ledger.open(folder, unix_time=clock, **options))
        return opened[-1], opened[-1].begin_session()

    yield again
    for each in opened:
        each.close()


@pytest.fixture
def open_folder():
    """A folder that any user may enter, as those of `tmp_path` are not."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-"))
    folder.chmod(0o755)
    yield folder
    for each in (folder, *folder.rglob("*")):
        each.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def as_anybody():
    """Be a user whom permissions bind, which root is not."""

    @contextmanager
    def anybody():
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return anybody
