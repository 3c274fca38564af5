"""What holds for every test: the same examples of Hypothesis in every run, however slow the machine is."""

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, print_blob=True)
settings.load_profile("suite")

_LONGEST = "tests/system/test_dagster_dev.py"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the test that waits longest for others, so that nobody waits for it at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))
