"""The ledger: what a run has to do, has done and is doing, in one SQLite file that survives any death."""
