"""Which assets exist, what each reads, and the way every partition is built: lock, claim, build, clear.

No Dagster here, so that the command line can mark partitions dirty without loading it. What is built is in the layers.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa

from assets.sources.known import SOURCES
from connectors.asleep.webhooks.inbox import FILE_NAME as INBOX
from connectors.errors import NightshiftError
from connectors.failpoints import failpoint
from connectors.home import Home
from connectors.lake.publish import publish
from connectors.state.dirty import Claim, claim, clear, list_dirty, mark_dirty
from connectors.state.ledger import days_of, documents_of_kind, months_of, owe_average_stats
from connectors.state.nights import first_asked, last_asked
from connectors.state.roster import RosterUser, list_users
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, BED_STATUS, SESSION, TREND
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import FIRST_DAY, utc_date
from schemas.quirks import Drift

DAY = timedelta(days=1)

SourceDrift = tuple[str, Drift]
"""A difference from what a source documents."""

ALL_USERS = "all"
"""The one partition of assets that are not partitioned."""

DAILY_INPUTS: dict[str, tuple[str, ...]] = {
    "sleep_sessions": (),
    "sleep_hypnograms": (),
    "sleep_stage_intervals": (),
    "session_history": (),
    "fhir_sleep_observations": (
        "sleep_sessions",
        "sleep_hypnograms",
        "sleep_stage_intervals",
        "session_history",
        "bed_samples",
    ),
    "warehouse_sleep": ("sleep_sessions", "sleep_hypnograms", "sleep_stage_intervals", "session_history"),
}
"""Assets partitioned by UTC day of session start, in the order of the flow, with the assets they read."""

NIGHT_INPUTS: dict[str, tuple[str, ...]] = {
    "night_ledger": (),
    "warehouse_night_ledger": ("night_ledger",),
}
"""Assets partitioned by night: the local date of its evening. Its sessions start on that UTC date or one beside it."""

READ_BY_NIGHTS = frozenset({"sleep_sessions", "session_history"})
"""Daily assets that the nights are made from: once one is built, the nights around its date are built again."""

_BED_TABLES = ("bed_samples", "bed_nights", "bed_status", "bed_presence")
BED_INPUTS: dict[str, tuple[str, ...]] = {
    "bed_samples": (),
    "bed_nights": (),
    "bed_status": (),
    "bed_presence": ("bed_status",),
    "fhir_bed_observations": ("bed_nights", "bed_presence"),
    "warehouse_beds": _BED_TABLES,
}
"""Assets of beds, partitioned by UTC date (nights by the day they end on); a home without a bed never builds them."""

OF_POLLS = ("bed_status", "bed_presence", "fhir_bed_observations", "warehouse_beds")
"""Those that are made again when a bed was polled."""

MONTHLY_INPUTS: dict[str, tuple[str, ...]] = {
    "average_stats": (),
    "fhir_average_stats": ("average_stats",),
    "warehouse_average_stats": ("average_stats",),
}
"""Assets partitioned by calendar month."""

USER_INPUTS: dict[str, tuple[str, ...]] = {
    "users": (),
    "fhir_people": ("users",),
    "warehouse_users": ("users",),
}
"""Assets that are one object over all users."""

LIVE = "warehouse_live_sessions"
LIVE_INPUTS: dict[str, tuple[str, ...]] = {LIVE: ()}
"""What is made from the inbox of webhooks and from nothing else."""

MARTS = "marts"
MARTS_INPUTS: dict[str, tuple[str, ...]] = {MARTS: ("sleep_sessions", "sleep_stage_intervals", "night_ledger", "users")}
"""What is computed from every partition of its inputs at once: whenever a night or a user changes."""

BACKFILL_DAYS = 90
"""Partitions a run covers at most: under the vendor's 100 rows a page and 100 days of statistics."""

_FAMILIES = (BED_INPUTS, DAILY_INPUTS, NIGHT_INPUTS, MONTHLY_INPUTS, USER_INPUTS, LIVE_INPUTS, MARTS_INPUTS)
INPUTS = {asset: inputs for family in _FAMILIES for asset, inputs in family.items()}


@dataclass(slots=True)
class Built:
    """What building one partition of one asset came to.

    Documents in = rows (sessions, months, users) + quarantined + waiting + deleted; ``files`` counts objects replaced,
    ``findings`` what the checks of the asset count, ``drift`` documents by source and the tolerant rule that read them.
    """

    documents: int = 0
    rows: int = 0
    quarantined: int = 0
    waiting: int = 0
    deleted: int = 0
    files: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    drift: Counter[SourceDrift] = field(default_factory=Counter)

    @property
    def conserved(self) -> bool:
        """Whether every document in came out as a row or with a reason."""
        return self.documents == self.rows + self.quarantined + self.waiting + self.deleted

    def add(self, other: "Built") -> None:
        """Count another partition in."""
        self.documents += other.documents
        self.rows += other.rows
        self.quarantined += other.quarantined
        self.waiting += other.waiting
        self.deleted += other.deleted
        self.files += other.files
        for name, count in other.findings.items():
            self.findings[name] = self.findings.get(name, 0) + count
        self.drift += other.drift


@dataclass(slots=True)
class BuildReport:
    """What building a range came to: totals, and the partitions that another run was building (they stay dirty)."""

    total: Built = field(default_factory=Built)
    left_dirty: list[str] = field(default_factory=list)
    unconserved: list[str] = field(default_factory=list)


def build_partitions(home: Home, asset: str, partitions: Iterable[str], build: Callable[[str], Built]) -> BuildReport:
    """Build partitions one by one, each under its lock, again if it changed meanwhile.

    Raises: the first NightshiftError of a partition, once all others are built.
    """
    report, errors = BuildReport(), list[NightshiftError]()
    for partition in partitions:
        with home.lock(f"{asset}.{partition}", wait_s=0) as held:
            if not held:
                _leave_dirty(home, asset, partition)
                report.left_dirty.append(partition)
                continue
            try:
                built = _build_until_settled(home, asset, partition, build)
            except NightshiftError as error:
                errors.append(error)
                continue
        report.total.add(built)
        if not built.conserved:
            report.unconserved.append(partition)
    if errors:
        raise errors[0]
    return report


def claim_partitions(home: Home, asset: str, partitions: Sequence[str]) -> list[Claim]:
    """Claims for an asset that builds many partitions at once; clear them with ``connectors.state.dirty.clear``."""
    overall = asset in MARTS_INPUTS
    return [claim(home.state, asset, one, INPUTS[asset], of_all_partitions=overall) for one in partitions]


def mark_days_dirty(connection: sa.Connection, days: Iterable[str]) -> None:
    """Have every daily asset built again for these UTC dates."""
    mark_dirty(connection, DAILY_INPUTS, days)


def mark_bed_days_dirty(connection: sa.Connection, days: Iterable[str]) -> None:
    """Have every asset of beds built again for these dates: of session starts, of days of trends."""
    mark_dirty(connection, BED_INPUTS, days)


def mark_bed_polls_dirty(connection: sa.Connection, days: Iterable[str]) -> None:
    """Have what is made of polls built again for these UTC dates."""
    mark_dirty(connection, OF_POLLS, days)


def mark_nights_dirty(connection: sa.Connection, nights: Iterable[date]) -> None:
    """Have these nights accounted for again."""
    if marked := [night.isoformat() for night in nights]:
        mark_dirty(connection, NIGHT_INPUTS, marked)
        mark_dirty(connection, MARTS_INPUTS, [ALL_USERS])


def mark_nights_around(connection: sa.Connection, days: Iterable[date], today: date) -> None:
    """Have the nights accounted for again that sessions of these UTC dates may belong to; none later than today."""
    around = {day + offset * DAY for day in days for offset in (-1, 0, 1)}
    mark_nights_dirty(connection, (night for night in around if FIRST_DAY <= night <= today))


def mark_months_dirty(connection: sa.Connection, months: Iterable[str]) -> None:
    """Have every monthly asset built again for these months (``YYYY-MM``)."""
    mark_dirty(connection, MONTHLY_INPUTS, months)


def mark_users_dirty(connection: sa.Connection) -> None:
    """Have the assets over all users built again."""
    mark_dirty(connection, (*USER_INPUTS, *MARTS_INPUTS), [ALL_USERS])


def mark_live_dirty(connection: sa.Connection) -> None:
    """Have the running sessions loaded again."""
    mark_dirty(connection, LIVE_INPUTS, [ALL_USERS])


def mark_roster_dirty(
    connection: sa.Connection, before: Mapping[tuple[str, str], RosterUser], users: Iterable[RosterUser]
) -> None:
    """Have everything built again that depends on what changed in the roster: organisation, zone, who is on it.

    ``before`` is the roster as it was, by ``RosterUser.key``.
    """
    changed = [user for user in users if before.get(user.key) != user]
    if not changed:
        return
    mark_users_dirty(connection)
    _mark_expected_nights(connection, [*changed, *(before[user.key] for user in changed if user.key in before)])
    moved = [user for user in changed if _label(before.get(user.key)) != _label(user)]
    mark_data_dirty(connection, moved)
    _mark_beds_of(connection, changed)
    for user in moved:
        owe_average_stats(connection, user.source, user.user_id)


def mark_data_dirty(connection: sa.Connection, users: Iterable[RosterUser]) -> None:
    """Have the days, months and nights built again that have these users: their label or zone is another one."""
    users = list(users)
    _mark_expected_nights(connection, users)
    _mark_beds_of(connection, users)
    for source, theirs in _by_source(users).items():
        user_ids = [user.user_id for user in theirs]
        mark_days_dirty(connection, days_of(connection, source, user_ids))
        mark_months_dirty(connection, months_of(connection, source, user_ids))


def _mark_beds_of(connection: sa.Connection, users: Iterable[RosterUser]) -> None:
    """Their sessions and scored nights, and every poll: whose side of a bed it is depends on the roster."""
    user_ids = [user.user_id for user in users if user.source == EIGHT_SLEEP]
    if not user_ids:
        return
    nights = {
        night.document_id for night in documents_of_kind(connection, EIGHT_SLEEP, TREND) if night.user_id in user_ids
    }
    mark_bed_days_dirty(connection, days_of(connection, EIGHT_SLEEP, user_ids) | nights)
    mark_bed_polls_dirty(
        connection, (day.document_id for day in documents_of_kind(connection, EIGHT_SLEEP, BED_STATUS))
    )


LAKE_RELEASE = "4"
"""Another number has every home's tables made again from raw: a release gave them new tables or columns."""

MARTS_RELEASE = "2"
"""Another number has the marts computed again: a release has other rules for them."""


def mark_missing_layers_dirty(home: Home, *, warehouse_exists: bool, warehouse: str = "") -> None:
    """Have the lake, or only a layer made from it, made again where it is gone although raw is there: after a restore.

    So is a lake that an older release made, FHIR when its settings are others than it was made with, marts of other
    rules, and a warehouse that is not the one loaded so far: ``warehouse`` tells which it is, and is empty for the
    file in the home.
    """
    lake, release = home.root / "lake", home.root / "lake" / ".release"
    settings, loaded, computed = home.root / "fhir" / ".settings", home.root / ".warehouse", home.root / ".marts"
    warehouse_exists = warehouse_exists and (loaded.read_text() if loaded.exists() else "") == warehouse
    lake_exists = _says(release, LAKE_RELEASE) and any(path != release for path in lake.iterdir())
    stale = {
        "warehouse": not warehouse_exists,
        "fhir": not _says(settings, _fhir_settings(home)),
        MARTS: not (warehouse_exists and _says(computed, MARTS_RELEASE)),
    }
    if lake_exists and not any(stale.values()):
        return
    days = sorted({day for source in SOURCES for day in home.raw.dates(source, SESSION)})
    months = home.raw.dates(ASLEEP, AVERAGE_STATS)
    with home.state.write() as connection:
        for family, partitions in (
            (DAILY_INPUTS, [day.isoformat() for day in days]),
            (BED_INPUTS, [day.isoformat() for day in bed_days(home)]),
            (MONTHLY_INPUTS, [f"{day:%Y-%m}" for day in months]),
            (USER_INPUTS, [ALL_USERS] if days else []),
            (MARTS_INPUTS, [ALL_USERS] if days else []),
        ):
            made_again = [asset for asset in family if not lake_exists or stale.get(asset.partition("_")[0])]
            mark_dirty(connection, made_again, partitions)
        if not warehouse_exists and (home.root / INBOX).exists():
            mark_live_dirty(connection)
        if not (lake_exists and warehouse_exists):
            _mark_expected_nights(connection, list_users(connection))
    publish(release, LAKE_RELEASE.encode())
    publish(settings, _fhir_settings(home).encode())
    publish(loaded, warehouse.encode())
    publish(computed, MARTS_RELEASE.encode())


def bed_days(home: Home) -> list[date]:
    """The dates of which raw has anything that the tables of beds are made from, in order."""
    kinds = (SESSION, TREND, BED_STATUS)
    return sorted({day for kind in kinds for day in home.raw.dates(EIGHT_SLEEP, kind)})


def _says(marker: Path, text: str) -> bool:
    return marker.exists() and marker.read_text() == text


def _fhir_settings(home: Home) -> str:
    return f"{home.fhir_base} {home.fhir_stage_intervals}{' bed samples' if home.fhir_bed_samples else ''}"


def family_of(asset: str) -> list[str]:
    """The assets with the same partitions as this one: all that is made from the same raw documents."""
    return next(list(family) for family in _FAMILIES if asset in family)


def _mark_expected_nights(connection: sa.Connection, users: Iterable[RosterUser]) -> None:
    """Every night that these users may have a row for, up to the last date anybody was asked for."""
    for source, theirs in _by_source(users).items():
        begun, last = first_asked(connection, source), last_asked(connection, source)
        firsts = [first for user in theirs if (first := user.active_from or begun.get(user.user_id))]
        if not (firsts and last):
            continue
        first = max(FIRST_DAY, min(firsts))
        mark_nights_dirty(connection, (first + number * DAY for number in range((last - first).days + 1)))


def _label(user: RosterUser | None) -> tuple[str, str] | None:
    return (user.org_id, user.timezone) if user else None


def _by_source(users: Iterable[RosterUser]) -> dict[str, list[RosterUser]]:
    found: dict[str, list[RosterUser]] = {}
    for user in users:
        found.setdefault(user.source, []).append(user)
    return found


def _build_until_settled(home: Home, asset: str, partition: str, build: Callable[[str], Built]) -> Built:
    files = 0
    while True:
        began = claim(home.state, asset, partition, INPUTS[asset])
        built = build(partition)
        failpoint("build.built")
        if asset in READ_BY_NIGHTS:
            with home.state.write() as connection:
                mark_nights_around(connection, [date.fromisoformat(partition)], utc_date(home.clock()))
        files += built.files
        left = clear(home.state, [began]) if began.generation is not None else []
        if not left or not began.inputs_clean:
            built.files = files
            return built


def _leave_dirty(home: Home, asset: str, partition: str) -> None:
    # What is dirty already is left as it is: whatever changes gives it a new generation, and the holder looks at that.
    with home.state.write() as connection:
        if partition not in list_dirty(connection).get(asset, {}):
            mark_dirty(connection, [asset], [partition])
