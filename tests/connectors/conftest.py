"""What the tests of the HTTP room share: a host to ask."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.http import Host
from connectors.patience import Patience, Retry
from connectors.rate_limit import RateLimit

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
AT_ONCE = Retry(base_s=0, jitter_s=0)


@pytest.fixture
def make_host(tmp_path: Path) -> Callable[..., Host]:
    """A host with a budget that never binds."""

    def make(
        base_url: str = "http://vendor.test",
        retry: Retry = AT_ONCE,
        *,
        concurrency: int = 4,
        time: Callable[[], float] = time.time,
        **settings: Any,
    ) -> Host:
        budget = RateLimit(tmp_path / "budget", 1e6, clock=time)
        return Host(
            base_url,
            {"x-key": "k"},
            setting="VENDOR_URL",
            rate_limit=budget,
            concurrency=concurrency,
            clock=lambda: NOW,
            patience=Patience(retry),
            **settings,
        )

    return make
