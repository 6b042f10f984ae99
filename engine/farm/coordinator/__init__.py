"""The coordinator: the only one who grants, and who writes the ledger; one module for each thing that it keeps."""

from engine.farm.coordinator.coordinator import Coordinator

__all__ = ["Coordinator"]
