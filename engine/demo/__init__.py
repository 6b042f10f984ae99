"""The demo: a spoken conversation about cards and a book, on one machine, without a network or a key."""
