"""The roster: who is followed, at which source, in which zone, from when to when. The vendor has no list of users.

Reading a CSV of users is here too, because it is the form in which a roster arrives.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from connectors.errors import WrongUsage
from connectors.state.database import upsert
from connectors.state.tables import roster, sessions, unpulled_users
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.night_hours import night_dates
from schemas.nights import is_iana_zone, night_of

DAY = timedelta(days=1)

DEFAULT_ORG = "default"
DEFAULT_ZONE = "UTC"
CSV_COLUMNS = ("user_id", "timezone", "org", "active_from", "active_to", "source", "vendor_user_id")
SOURCES = (ASLEEP, EIGHT_SLEEP)


@dataclass(frozen=True, slots=True)
class RosterUser:
    """A user to follow, from the night ``active_from`` to the night ``active_to`` (inclusive, None is open).

    Both are the local date of an evening in ``timezone``, as ``night_of`` tells it. ``gone``: the vendor said 404 when
    last asked. ``to_be_deleted``: it has marked the user for deletion, and nothing more of theirs is asked for.
    ``removed``: we have taken the user off the roster, so that nothing is asked for; past rows keep their label.

    Who is followed at several sources has a user for each, with one ``user_id``. ``vendor_user_id`` is the id under
    which the vendor knows the user, None where it is the same.
    """

    source: str
    user_id: str
    org_id: str = DEFAULT_ORG
    timezone: str = DEFAULT_ZONE
    active_from: date | None = None
    active_to: date | None = None
    gone: bool = False
    to_be_deleted: bool = False
    removed: bool = False
    vendor_user_id: str | None = None

    def __repr__(self) -> str:
        return "RosterUser(…)"

    @property
    def key(self) -> tuple[str, str]:
        """Source and user id: nobody is on the roster twice under one of them."""
        return self.source, self.user_id

    @property
    def asked_as(self) -> str:
        """The id to ask the vendor with."""
        return self.vendor_user_id or self.user_id

    def active_within(self, first: date, last: date) -> tuple[date, date] | None:
        """The UTC dates of ``first``..``last`` (inclusive) that any night has in which the user is followed, or None.

        A session that starts on one of them may still belong to another night: ``follows`` tells.
        """
        if self.to_be_deleted or self.removed:
            return None
        # Nights far from these dates do not matter, and some have no dates at all: 9999-12-31 has no next day.
        near_first, near_last = first - 2 * DAY, last + 2 * DAY
        start = max(first, self._dates_of(self.active_from, near_first, near_last)[0]) if self.active_from else first
        end = min(last, self._dates_of(self.active_to, near_first, near_last)[-1]) if self.active_to else last
        return (start, end) if start <= end else None

    def follows(self, start: datetime) -> bool:
        """Whether a session that starts then belongs to a night in which the user is followed."""
        always = self.active_from is None and self.active_to is None  # most users: no calendar is needed
        return not (self.to_be_deleted or self.removed) and (always or self.is_within(night_of(start, self.timezone)))

    def is_within(self, night: date) -> bool:
        """Whether a night lies within ``active_from`` to ``active_to``."""
        return (self.active_from or night) <= night <= (self.active_to or night)

    def period_within(self, first: date, last: date) -> tuple[date, date] | None:
        """The local dates of ``first``..``last`` (inclusive) that hold no hour of a night outside of the agreed ones.

        None if there are none. On the date of ``active_from`` the night before comes to its end, and so does the last
        night on the date after ``active_to``, which is in no period because the next night begins on it.
        """
        if self.to_be_deleted or self.removed or (self.active_from and self.active_from >= last):
            return None
        start = max(first, self.active_from + DAY) if self.active_from else first
        end = min(last, self.active_to or last)
        return (start, end) if start <= end else None

    def has_ended(self, night: date) -> bool:
        """Whether no night after this one is followed."""
        return self.removed or (self.active_to is not None and self.active_to <= night)

    def _dates_of(self, night: date, earliest: date, latest: date) -> tuple[date, ...]:
        return night_dates(min(max(night, earliest), latest), self.timezone)


class RosterChange(NamedTuple):
    """How many users an import added, changed and left as they were."""

    added: int
    changed: int
    unchanged: int


def list_users(connection: sa.Connection, source: str | None = None) -> list[RosterUser]:
    """Rostered users in the order of their ids."""
    query = sa.select(roster).order_by(roster.c.source, roster.c.user_id)
    if source is not None:
        query = query.where(roster.c.source == source)
    return [RosterUser(**row._mapping) for row in connection.execute(query)]


def users_to_ask(connection: sa.Connection, source: str | None = None) -> list[RosterUser]:
    """Rostered users of whom a vendor may be asked: all but those who were removed."""
    return [user for user in list_users(connection, source) if not user.removed]


def put_users(connection: sa.Connection, users: Iterable[RosterUser]) -> RosterChange:
    """Add users, or change those that are rostered, removed ones included; what the vendor says of them stays.

    Raises: WrongUsage if two users of a source would be one user of the vendor, whose nights would count twice, if one
    who has nights would become another user of the vendor, or if a person would be of two organisations.
    """
    users = list(users)
    known = {user.key: user for user in list_users(connection)}
    everybody = known | {user.key: user for user in users}
    _check_nobody_is_two(everybody)
    _check_one_organisation(everybody.values())
    added, changed, unchanged = [], [], 0
    for given in users:
        before = known.get(given.key)
        if before and before.asked_as != given.asked_as:
            _check_no_nights(connection, before)
        heard = before or replace(given, gone=False, to_be_deleted=False)
        user = replace(given, gone=heard.gone, to_be_deleted=heard.to_be_deleted)
        if before is None:
            added.append(user)
        elif before != user:
            changed.append(user)
        else:
            unchanged += 1
    upsert(connection, roster, [_row(user) for user in (*added, *changed)])
    return RosterChange(len(added), len(changed), unchanged)


def _check_nobody_is_two(users: Mapping[tuple[str, str], RosterUser]) -> None:
    asked = Counter((user.source, user.asked_as) for user in users.values() if not user.removed)
    if any(count > 1 for count in asked.values()):
        raise WrongUsage(
            "Two users of the roster are the same user of the vendor (vendor_user_id): their nights would count twice. "
            "Correct or remove one of them."
        )


def _check_one_organisation(users: Iterable[RosterUser]) -> None:
    """A person who is followed at two sources is one person for whoever gets the data."""
    orgs: dict[str, str] = {}
    if any(orgs.setdefault(user.user_id, user.org_id) != user.org_id for user in users):
        raise WrongUsage(
            "A user who is followed at several sources would be of two organisations: give all of them the same org."
        )


def _check_no_nights(connection: sa.Connection, user: RosterUser) -> None:
    theirs = (sessions.c.source == user.source) & (sessions.c.user_id == user.user_id)
    if connection.execute(sa.select(sessions.c.session_id).where(theirs).limit(1)).first():
        raise WrongUsage(
            "A user who has nights cannot become another user of the vendor (vendor_user_id): the nights of two people "
            "would be under one name. Add the other one under a user_id of their own."
        )


def remove_user(connection: sa.Connection, source: str, user_id: str) -> bool:
    """Take a user of whom there is no data off the roster, as if never added. False when the user was not rostered."""
    mine = (roster.c.source == source) & (roster.c.user_id == user_id)
    connection.execute(
        sa.delete(unpulled_users).where(unpulled_users.c.source == source, unpulled_users.c.user_id == user_id)
    )
    return connection.execute(sa.delete(roster).where(mine)).rowcount > 0


def end_user(
    connection: sa.Connection, source: str, user_id: str, last: date, *, removed: bool = False
) -> RosterUser | None:
    """End the following of a user with the night ``last`` or an earlier one; the user as it is then.

    Either the vendor knows the user no more or, with ``removed``, we ask for nothing any more. The user stays on the
    roster, so that past rows keep their organisation and zone. None when not rostered.
    """
    before = {user.user_id: user for user in list_users(connection, source)}.get(user_id)
    if before is None:
        return None
    ended = replace(
        before,
        active_from=min(before.active_from, last) if before.active_from else None,
        active_to=min(before.active_to, last) if before.active_to else last,
        gone=before.gone or not removed,
        removed=before.removed or removed,
    )
    upsert(connection, roster, [_row(ended)])
    mine = (unpulled_users.c.source == source) & (unpulled_users.c.user_id == user_id)
    connection.execute(sa.delete(unpulled_users).where(mine))
    return ended


def last_tried(connection: sa.Connection, source: str) -> datetime | None:
    """When the vendor was last asked for users who are still to be pulled, in UTC; None when all are pulled."""
    tried = sa.select(unpulled_users.c.since).where(unpulled_users.c.source == source)
    return connection.execute(tried.order_by(unpulled_users.c.since.desc()).limit(1)).scalar_one_or_none()


def mark_gone(connection: sa.Connection, source: str, *, gone: Sequence[str], back: Sequence[str]) -> None:
    """Note which users the vendor does not know any more, and which it knows again; nothing of theirs is deleted."""
    for user_ids, value in ((gone, True), (back, False)):
        mine = (roster.c.source == source) & roster.c.user_id.in_(user_ids) & (roster.c.gone != value)
        connection.execute(sa.update(roster).where(mine).values(gone=value))


def mark_to_be_deleted(
    connection: sa.Connection, source: str, *, marked: Sequence[str], unmarked: Sequence[str]
) -> None:
    """Note which users the vendor has marked for deletion, and of which it has taken the mark back."""
    for user_ids, value in ((marked, True), (unmarked, False)):
        mine = (roster.c.source == source) & roster.c.user_id.in_(user_ids) & (roster.c.to_be_deleted != value)
        connection.execute(sa.update(roster).where(mine).values(to_be_deleted=value))


def read_roster_csv(path: Path, source: str) -> list[RosterUser]:
    """Read ``user_id,timezone,org,active_from,active_to,source,vendor_user_id`` (only the first required; UTF-8, with
    or without BOM); ``source`` is that of a line which does not tell its own.

    Raises: WrongUsage naming the file and line, never the content of a cell.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "unreadable")
        raise WrongUsage(f"Cannot read {path.name}: {reason}.") from None
    reader = csv.DictReader(StringIO(text), strict=True)
    users: dict[tuple[str, str], RosterUser] = {}
    try:
        _check_columns(path.name, reader.fieldnames or [])
        for row in reader:
            user = _user_of_row(f"{path.name}, line {reader.line_num}", row, source)
            if user.key in users:
                raise WrongUsage(f"{path.name}, line {reader.line_num}: this user_id stands in the file twice.")
            users[user.key] = user
    except csv.Error:
        line = reader.reader.line_num  # that of the DictReader is still the line before
        raise WrongUsage(f"{path.name}, line {line}: not valid CSV (check the quotes).") from None
    return list(users.values())


def check_zone(where: str, zone: str) -> str:
    """Give the zone back if it is an IANA name of this machine's tz database.

    Raises: WrongUsage.
    """
    if not is_iana_zone(zone):
        raise WrongUsage(f"{where}: the timezone is not an IANA name such as Asia/Seoul or Europe/Berlin.")
    return zone


def check_source(where: str, source: str) -> str:
    """Give the source back if it is one of ours. Raises: WrongUsage."""
    if source not in SOURCES:
        raise WrongUsage(f"{where}: there is no such source (there are {', '.join(SOURCES)}).")
    return source


def _check_columns(name: str, columns: Iterable[str]) -> None:
    columns = [column.strip() for column in columns]
    if "user_id" not in columns:
        raise WrongUsage(f"{name}, line 1: the column user_id is missing (columns: {', '.join(CSV_COLUMNS)}).")
    unknown = [column for column in columns if column not in CSV_COLUMNS]
    if unknown:
        raise WrongUsage(
            f"{name}, line 1: {len(unknown)} column(s) are not known (known are {', '.join(CSV_COLUMNS)})."
        )
    if len(set(columns)) < len(columns):
        raise WrongUsage(f"{name}, line 1: a column stands in the file twice.")


def _user_of_row(where: str, row: dict[str | None, str | None], source: str) -> RosterUser:
    if None in row:
        raise WrongUsage(f"{where}: more cells than columns.")
    cell = {(column or "").strip(): (value or "").strip() for column, value in row.items()}
    if not cell["user_id"]:
        raise WrongUsage(f"{where}: user_id is empty.")
    user = RosterUser(
        source=check_source(where, cell.get("source") or source),
        user_id=cell["user_id"],
        org_id=cell.get("org") or DEFAULT_ORG,
        timezone=check_zone(where, cell.get("timezone") or DEFAULT_ZONE),
        active_from=_date(where, "active_from", cell.get("active_from")),
        active_to=_date(where, "active_to", cell.get("active_to")),
        vendor_user_id=cell.get("vendor_user_id") or None,
    )
    if user.active_from and user.active_to and user.active_from > user.active_to:
        raise WrongUsage(f"{where}: active_from is after active_to.")
    return user


def _date(where: str, column: str, text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"{where}: {column} is not a date like 2026-11-22.") from None


def _row(user: RosterUser) -> dict[str, object]:
    return {name: getattr(user, name) for name in RosterUser.__slots__}
