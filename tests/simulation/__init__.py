"""Whole sessions in virtual time, client and simulated service in one Trio run, with everything random from one seed."""
