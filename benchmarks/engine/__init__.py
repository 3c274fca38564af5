"""The engine against a bare loop of sockets, a tuned dlt pipeline and the script an analyst would write."""
