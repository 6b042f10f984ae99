"""The tasks of a session, one a file. No actor imports another; the session wires them."""
