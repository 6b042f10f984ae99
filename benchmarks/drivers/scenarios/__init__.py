"""What is played with each peer: one module a scenario, each with `play(make, load)`, which gives its figures."""
