"""Comparisons with other people's programs, each in an environment of its own that ``make oracles`` sets up."""
