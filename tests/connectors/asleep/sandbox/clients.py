"""A fixed moment, an id nobody has, and HTTP clients of sandboxes that really listen on loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from hypothesis import strategies as st

from connectors.asleep.sandbox import World, running

NOW = datetime(2026, 11, 22, 6, 0, 0, tzinfo=UTC)
NOBODY = "G-20200101000000-abcdefghijklmnopqrst"
"""A well-formed id no world gives out."""
NO_SESSION = "20200101000000_abcde"
MOMENTS = st.integers(0, 3 * 365 * 86_400).map(
    lambda seconds: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
"""Any second of the years 2025 to 2027."""


@contextmanager
def vendor_of(world: World) -> Iterator[httpx.Client]:
    """A client with the right key for a sandbox that serves ``world``."""
    with (
        running(world) as base_url,
        httpx.Client(
            base_url=base_url,
            headers={"x-api-key": world.api_key},
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP on loopback
        ) as client,
    ):
        yield client


def listed(vendor: httpx.Client, user_id: str, zone: str = "UTC", **query: object) -> list[dict[str, Any]]:
    """Rows of the session list, 100 of them at most unless the query says otherwise."""
    params = {"limit": "100"} | {name: str(value) for name, value in query.items()}
    answer = vendor.get("/data/v1/sessions", params=params, headers={"x-user-id": user_id, "timezone": zone})
    rows: list[dict[str, Any]] = answer.raise_for_status().json()["result"]["sleep_session_list"]
    return rows


def shown(vendor: httpx.Client, user_id: str, session_id: str, zone: str = "UTC") -> dict[str, Any]:
    """Result of the session endpoint."""
    answer = vendor.get(f"/data/v3/sessions/{session_id}", headers={"x-user-id": user_id, "timezone": zone})
    result: dict[str, Any] = answer.raise_for_status().json()["result"]
    return result
