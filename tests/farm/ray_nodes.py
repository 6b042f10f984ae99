"""A Ray cluster of two nodes on this machine, with a token, and without a trace in the home directory."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from engine.farm.backends.ray_library import library, lock_the_door

STORE_BYTES = 80 * 2**20


class Nodes:
    """The cluster: a head with one CPU, and a second node with one."""

    def __init__(self, head, second, address):
        self._cluster = head
        self._second = second
        self.address = address

    def add(self):
        self._cluster.wait_for_nodes()
        self._second = self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)

    def kill_second(self):
        """Kill all that the second node runs, as when its power fails."""
        raylet = self._second.all_processes["raylet"][0].process
        for pid in self.workers_of(raylet.pid):
            os.kill(pid, signal.SIGKILL)
        self._cluster.remove_node(self._second, allow_graceful=False)

    def workers_of(self, raylet):
        """Give the processes of a node's actors, as the kernel has them."""
        return [pid for pid, parent in worker_processes() if parent == raylet]

    @contextlib.contextmanager
    def of_another_version(self, **sides):
        """Have the cluster say that it runs other versions."""
        store = library()._raylet.GcsClient(address=self.address)
        key, room = b"CLUSTER_METADATA", b"cluster"
        before = store.internal_kv_get(key, room)
        store.internal_kv_put(key, json.dumps({**json.loads(before), **sides}).encode(), True, room)
        try:
            yield
        finally:
            store.internal_kv_put(key, before, True, room)


def worker_processes():
    """Give all workers on this machine, each with its parent."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if folder.name.isdigit() and (folder / "cmdline").read_bytes().startswith(b"ray::RayWorker"):
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                found.append((int(folder.name), int(stat[1])))
    return found


@contextlib.contextmanager
def two_nodes(home):
    """Start the cluster for the time of the block.

    Args:
        home: Stands for the home directory.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.delenv("RAY_ADDRESS", raising=False)
        lock_the_door()
        library()
        from ray.cluster_utils import Cluster

        cluster = Cluster(
            initialize_head=True,
            shutdown_at_exit=False,
            head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE_BYTES},
        )
        try:
            nodes = Nodes(cluster, None, cluster.address)
            nodes.add()
            yield nodes
        finally:
            cluster.shutdown()
        assert list(Path(home).iterdir()) == []
