"""Puts this folder on the path, for the farm's tests in the folders below: `crewed`, `real_runs`."""
