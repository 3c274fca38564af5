"""The doctor on the state database: is it sound and up to date, who else writes it, and what stands in it.

SQLite is looked at through its own doors, read-only, before it is opened as usual: opening migrates, and would make a
file where there is none.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from urllib.parse import quote

from connectors.home import Home
from connectors.state.database import NEWEST_REVISION
from connectors.state.dirty import list_dirty
from connectors.state.drift import SeenDrift, list_drift
from connectors.state.ledger import NOT_ASKED, unpulled, unpulled_days
from connectors.state.quarantine import count_quarantined
from connectors.state.roster import DEFAULT_ZONE, SOURCES, RosterUser, last_tried, list_users
from connectors.state.vendor import last_complete_pull
from pipelines.command.doctor.findings import Finding
from pipelines.command.doctor.folder import is_writable
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.nights import is_iana_zone

PATIENCE_S = 5.0
"""How long another process may write before that is a finding."""

QUICK_CHECK_BYTES = 256_000_000
"""Above this size the indexes are not compared with the tables: it would take minutes."""

RESTORE = (
    "Restore your copy. Without a copy: nightshift users import FILE.csv, then sync and backfill; nothing is pulled "
    "twice into the tables."
)
REPLACE = f"Move it away first. {RESTORE}"


@dataclass(frozen=True, slots=True)
class Pulls:
    """What the state says of the pulls of a source: when everybody was pulled last, and who is left over.

    ``unpulled`` counts users by the kind of error, ``days`` are the dates they lack.
    """

    unpulled: Counter[str] = field(default_factory=Counter)
    days: tuple[date, date] | None = None
    tried_at: datetime | None = None
    pulled_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the state says, ``pulls`` by source; ``is_read`` is False where there is no state yet."""

    is_read: bool = False
    users: list[RosterUser] = field(default_factory=list)
    pulls: dict[str, Pulls] = field(default_factory=dict)
    quarantined: int = 0
    dirty: int = 0
    drift: list[SeenDrift] = field(default_factory=list)

    @property
    def followed(self) -> list[str]:
        """The sources at which somebody is rostered; Asleep where nobody is."""
        rostered = {user.source for user in self.users if not user.removed}
        return [source for source in SOURCES if source in rostered] or [ASLEEP]

    def of(self, source: str) -> Pulls:
        """The pulls of a source."""
        return self.pulls.get(source, Pulls())


def state_file(home: Home) -> Path | None:
    """The SQLite file of this home's state; None if the state is elsewhere (NIGHTSHIFT_STATE_URL)."""
    return home.root / "state.db" if home.state_url is None else None


def file_findings(file: Path, *, raw_exists: bool) -> Iterator[Finding]:
    """Whether the SQLite file is there, sound, at a known revision and free to be written."""
    if not file.exists() or not file.stat().st_size:
        yield _no_file(raw_exists)
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?{_read_only(file)}", uri=True)) as connection:
            check = "quick_check" if file.stat().st_size > QUICK_CHECK_BYTES else "integrity_check"
            damage = connection.execute(f"PRAGMA {check}(1)").fetchone()[0] != "ok"
            revision = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()[0]
    except sqlite3.OperationalError as error:
        missing = "no such table" in str(error)
        words = "It is not a state database." if missing else f"It cannot be opened ({error.sqlite_errorname})."
        yield Finding("state", False, words, REPLACE if missing else "Check the permissions of NIGHTSHIFT_HOME.")
    except sqlite3.DatabaseError as error:
        yield Finding("state", False, f"It is damaged ({error.sqlite_errorname}).", REPLACE)
    else:
        yield _sound(damage, revision)
        yield from _writers(file)


def readable_as_it_is(home: Home) -> Home:
    """The same home, its state opened without writing: for one that cannot be written."""
    file = home.root / "state.db"
    return replace(home, state_url=f"sqlite:///file:{quote(str(file))}?{_read_only(file)}&uri=true")


def read_known(home: Home) -> Known:
    """Read everything the findings need. Raises: StateUnavailable, WrongUsage."""
    with home.state.read() as connection:
        return Known(
            is_read=True,
            users=list_users(connection),
            pulls={
                source: Pulls(
                    unpulled=Counter(unpulled(connection, source).values()),
                    days=unpulled_days(connection, source),
                    tried_at=last_tried(connection, source),
                    pulled_at=last_complete_pull(home.state, source),
                )
                for source in SOURCES
            },
            quarantined=count_quarantined(connection),
            dirty=len({partition for partitions in list_dirty(connection).values() for partition in partitions}),
            drift=list_drift(connection),
        )


def roster_findings(known: Known, today: date) -> Iterator[Finding]:
    """Is anybody followed, in which zones, and does each vendor know them all; who has phone and bed is one user."""
    if not known.users:
        yield Finding("roster", False, "It is empty: nobody is followed.", "nightshift users import FILE.csv")
        return
    followed = [user for user in known.users if user.active_to is None or user.active_to >= today]
    words = f"{_people(known.users)} user(s), {_people(followed)} of them followed today."
    in_beds = [user for user in followed if user.source == EIGHT_SLEEP]
    if in_beds:
        words += f" {_people(in_beds)} of them by a bed."
    plain = _people(user for user in followed if user.timezone == DEFAULT_ZONE)
    if plain:
        words += f" {plain} in the zone UTC, which is also what a user without a zone gets."
    yield Finding("roster", True, words)
    strange = _people(user for user in known.users if not is_iana_zone(user.timezone))
    if strange:
        yield Finding(
            "time zones",
            False,
            f"This machine does not know the zone of {strange} user(s).",
            "Update the tzdata package, or import the roster again with other zones.",
        )
    gone = Counter(user.source for user in known.users if user.gone and _is_followed_after(user, today))
    if gone[ASLEEP]:
        yield Finding(
            "users at the vendor",
            False,
            f"{gone[ASLEEP]} followed user(s) are unknown to the vendor.",
            "If they were deleted there: nightshift vendor user delete USER_ID ends them here too. If not: is it the "
            "right key, and the right id in the roster?",
        )
    if gone[EIGHT_SLEEP]:
        yield Finding(
            "sleepers at the vendor",
            False,
            f"{gone[EIGHT_SLEEP]} followed user(s) were seen by no Eight Sleep account when last asked.",
            "Check vendor_user_id in the roster against nightshift bed users; who has left the bed: nightshift users "
            "remove USER_ID --source eight_sleep",
        )
    marked = sum(user.to_be_deleted for user in known.users if not user.gone)
    if marked:
        words = f"{marked} user(s) are marked for deletion at the vendor: nothing more is pulled about them."
        yield Finding("deletion", True, words)


def pull_findings(known: Known) -> Iterator[Finding]:
    """Users who are still to be pulled, of every source."""
    left = {source: pulls for source, pulls in known.pulls.items() if pulls.unpulled}
    if not left:
        yield Finding("users not pulled", True, "None is left over.")
        return
    words = "\n".join(_left_words(pulls, " of beds" if source == EIGHT_SLEEP else "") for source, pulls in left.items())
    yield Finding("users not pulled", False, words, "If no pull is running now: nightshift sync --unfinished")


def _left_words(pulls: Pulls, of: str) -> str:
    kinds = ", ".join(f"{count} {_kind(kind)}" for kind, count in sorted(pulls.unpulled.items()))
    since = f", last tried {pulls.tried_at:%Y-%m-%d %H:%M} UTC" if pulls.tried_at else ""
    days = f"; they lack start dates {pulls.days[0]} to {pulls.days[1]}" if pulls.days else ""
    return f"{pulls.unpulled.total()} user(s){of} ({kinds}){since}{days}."


def _people(users: Iterable[RosterUser]) -> int:
    return len({user.user_id for user in users})


def _is_followed_after(user: RosterUser, today: date) -> bool:
    return not user.removed and (user.active_to is None or user.active_to > today)


def quarantine_finding(known: Known) -> Finding:
    """Documents that could not be normalised."""
    if not known.quarantined:
        return Finding("quarantine", True, "It is empty.")
    words = f"{known.quarantined} document(s) could not be normalised; they are kept, their rows are missing."
    return Finding("quarantine", False, words, "nightshift quarantine list, show ID; after an update: retry")


def _kind(kind: str) -> str:
    return "not asked yet" if kind == NOT_ASKED else kind.replace("_", " ")


def _no_file(raw_exists: bool) -> Finding:
    if raw_exists:
        return Finding("state", False, "state.db is gone, although documents were pulled into this home.", RESTORE)
    return Finding("state", None, "There is no state.db yet; the first command that needs it makes it.")


def _read_only(file: Path) -> str:
    """How SQLite is told to write nothing, and still to see what was committed last."""
    log = file.with_name(f"{file.name}-wal")
    if is_writable(file.parent) or (log.exists() and log.stat().st_size):
        return "mode=ro"
    # Reading in WAL mode makes a file beside this one, unless SQLite knows that nobody can write.
    return "mode=ro&immutable=1"


def _sound(damage: bool, revision: str | None) -> Finding:
    if damage:
        return Finding("state", False, "It is damaged: SQLite's integrity check fails.", REPLACE)
    if revision is None or revision > NEWEST_REVISION:
        return Finding(
            "state", False, "It was made by a newer Nightshift.", "Use that version, or another NIGHTSHIFT_HOME."
        )
    if revision < NEWEST_REVISION:
        words = f"It is sound, and at revision {revision}; it is migrated to {NEWEST_REVISION} as soon as it is opened."
        return Finding("state", True, words)
    return Finding("state", True, f"It is sound, and at the newest revision {revision}.")


def _writers(file: Path) -> Iterator[Finding]:
    if not is_writable(file.parent):
        return
    try:
        with closing(sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        busy = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        words = f"Another process has been writing it for {PATIENCE_S:.0f} s." if busy else "It cannot be written."
        do = "Wait for it; end it if it is stuck." if busy else "Check the permissions of state.db."
        yield Finding("state writers", False, words, do)
