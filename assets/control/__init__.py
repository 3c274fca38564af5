"""Telling beds what to do, and watching them: what the commands and the schedule share."""
