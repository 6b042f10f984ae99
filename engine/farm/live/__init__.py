"""While a run goes on: a screen, a page, and figures for other systems."""
