"""Ways to wait that cost a session less than what Trio has for all cases."""
