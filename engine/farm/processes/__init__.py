"""Processes of the farm on this machine: how they start, talk over pipes, and end with their parent."""
