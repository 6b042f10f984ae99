"""The benchmark harness: what is run with whom, in which order, and what is made of the figures."""
