"""After a run: a page to read it by, a comparison of two, and exports."""
