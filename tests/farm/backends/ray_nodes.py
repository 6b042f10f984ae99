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
        self._second = self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)

    def kill_second(self):
        """Kill the node's processes, as when its power fails."""
        for process in self._second.all_processes["raylet"]:
            process.process.kill()
        for pid in self.actors_of(self._second.node_id):
            os.kill(pid, signal.SIGKILL)

    def actors_of(self, node_id):
        """Give the processes of actors on a node, found as the kernel has them."""
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError, ValueError):
                pid = int(folder.name)
                title = (folder / "cmdline").read_bytes()
                if title.startswith(b"ray::RayWorker") and self._belongs(pid, node_id):
                    found.append(pid)
        return found

    @staticmethod
    def _belongs(pid, node_id):
        return node_id is None or f"--node-id={node_id}".encode() in Path(f"/proc/{pid}/environ").read_bytes()

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
