"""The sandbox and the home of the Eight Sleep tests, for those who tell beds what to do."""

from tests.connectors.eight_sleep.conftest import empty_home, rig, stage

__all__ = ["empty_home", "rig", "stage"]
