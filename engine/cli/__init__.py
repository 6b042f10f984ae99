"""The command `realtime-engine`: demo, talk, simulate."""
