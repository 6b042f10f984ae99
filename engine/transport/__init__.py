"""Moves text frames between the engine and a server; knows no JSON."""
