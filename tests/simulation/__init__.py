"""Whole sessions in virtual time, client and simulated service in one Trio run, all that is random from one seed."""
