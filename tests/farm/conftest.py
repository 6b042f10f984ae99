"""What tests of the farm share: two Ray nodes on this machine."""

import pytest


@pytest.fixture(scope="session")
def ray_nodes(tmp_path_factory):
    """A Ray cluster of two nodes with a CPU each; 4 s, and half a GB of memory."""
    from ray_nodes import two_nodes

    with two_nodes(tmp_path_factory.mktemp("home")) as nodes:
        yield nodes
