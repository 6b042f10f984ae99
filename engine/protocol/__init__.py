"""The conversation, pure: no async, no clock, no I/O, no logging. Events go in, effects come out."""
