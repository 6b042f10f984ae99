"""The peers' processes, one each for all tests."""

import pytest
from environments import AGENTS, OPENAI, SEED
from processes import PeerProcess

pytest.register_assert_rewrite("strands_checks")


@pytest.fixture(scope="session")
def seed_process():
    with PeerProcess(SEED) as process:
        yield process


@pytest.fixture(scope="session")
def openai_process():
    with PeerProcess(OPENAI) as process:
        yield process


@pytest.fixture(scope="session")
def agents_process():
    with PeerProcess(AGENTS) as process:
        yield process
