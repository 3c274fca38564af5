"""What simulators of vendors share: the server that puts an application on a port. What is served is not known here."""
