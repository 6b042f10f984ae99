"""A worker: has the sessions that it is granted, and keeps what came of them until that is written."""

from engine.farm.worker.worker import Worker

__all__ = ["Worker"]
