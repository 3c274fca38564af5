"""How fast we are, and what it costs: run by hand with ``make bench``, never by the tests."""
