"""Raw documents of beds for the tests: intervals and days of the vendor's samples with changes, and polls."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from assets.raw.bed_status import Polled, record_status
from connectors.home import Home
from connectors.lake.raw import HTTP_OK, NOT_FOUND, RawDocument
from connectors.state.roster import RosterUser
from schemas.canonical import interval_hash, trend_hash
from schemas.documents import SESSION, TREND
from schemas.eight_sleep import EIGHT_SLEEP, BedStatus, SideStatus

SAMPLES = Path(__file__).parents[2] / "connectors" / "eight_sleep" / "samples"
ZONE = "America/New_York"
FETCHED = datetime(2025, 3, 13, 4, 0, tzinfo=UTC)

INTERVAL_DAY = date(2025, 3, 12)
"""The UTC date on which the sample interval starts."""

NIGHT = date(2025, 3, 11)
"""The morning of the sample days."""

VENDOR_ID = "5f1c0a9be27d4e4f8d3a6b7c90e1d2f3"
BED = "3c9d7e51a2b84f60"
ANNA = RosterUser(EIGHT_SLEEP, "anna", "clinic", ZONE, vendor_user_id=VENDOR_ID)


def _body(file: str, name: str) -> dict[str, Any]:
    content = json.loads((SAMPLES / f"{file}.json").read_text())
    found: dict[str, Any] = content[name]["response"]["body"]
    return found


def interval(**changes: Any) -> dict[str, Any]:
    """The newest interval of the samples, with changes."""
    found: dict[str, Any] = _body("intervals", "page_1")["intervals"][0]
    return found | changes


def trend(variant: str = "v2_all_sessions", **changes: Any) -> dict[str, Any]:
    """The first day of a sample of trends, with changes."""
    found: dict[str, Any] = _body("trends", variant)["days"][0]
    return found | changes


def session_document(content: dict[str, Any], user_id: str = "anna", after_h: float = 0) -> RawDocument:
    """An interval as a pull keeps it."""
    body = msgspec.json.encode(content)
    day, fetched = datetime.fromisoformat(content["ts"]).date(), FETCHED + timedelta(hours=after_h)
    identity = ("clinic", EIGHT_SLEEP, SESSION, user_id, content["id"], day)
    return RawDocument(*identity, HTTP_OK, fetched, interval_hash(body), body)


def trend_document(content: dict[str, Any], user_id: str = "anna", after_h: float = 0) -> RawDocument:
    """A day of trends as a pull keeps it."""
    body = msgspec.json.encode(content)
    identity = ("clinic", EIGHT_SLEEP, TREND, user_id, content["day"], date.fromisoformat(content["day"]))
    return RawDocument(*identity, HTTP_OK, FETCHED + timedelta(hours=after_h), trend_hash(body), body)


def gone(document: RawDocument, after_h: float = 1) -> RawDocument:
    """The vendor's word that a document is no more."""
    fetched_at = document.fetched_at + timedelta(hours=after_h)
    return replace(document, status=NOT_FOUND, fetched_at=fetched_at, content_hash="tombstone:1", body=b"{}")


def status(
    left: bool = False,
    right: bool = False,
    *,
    online: bool = True,
    left_user: str | None = VENDOR_ID,
    right_user: str | None = "a0b1",
    **of_left: Any,
) -> BedStatus:
    """A bed's status: who lies on which side."""
    sides = {"tempTarget": "temp_target", "tempBed": "temp_bed"}
    levels = {sides.get(name, name): value for name, value in of_left.items()}
    return BedStatus(
        BED,
        online,
        SideStatus(**{"side": "left", "presence": left, "user_id": left_user, **levels}),
        SideStatus("right", right, right_user, temp_target=0, temp_bed=2),
    )


def poll(home: Home, polls: Iterable[tuple[datetime, BedStatus]]) -> None:
    """Record polls at their times."""
    record_status(home, [Polled(told, at) for at, told in polls])
