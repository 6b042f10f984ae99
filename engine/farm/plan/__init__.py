"""Plans: what is to be run, read from TOML or Python, checked before anything connects."""
