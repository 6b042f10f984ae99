"""Measurements: of the engine by itself, and beside what people would use instead."""
