"""The roster: who is followed, at which source, in which zone, from when to when. The vendor has no list of users.

Reading a CSV of users is here too, because it is the form in which a roster arrives.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from connectors.errors import WrongUsage
from connectors.state.database import upsert
from connectors.state.tables import roster, unpulled_users
from schemas.nights import is_iana_zone

DEFAULT_ORG = "default"
DEFAULT_ZONE = "UTC"
CSV_COLUMNS = ("user_id", "timezone", "org", "active_from", "active_to")


@dataclass(frozen=True, slots=True)
class RosterUser:
    """A user to follow, from ``active_from`` to ``active_to`` (inclusive, None is open).

    ``gone``: the vendor said 404 when last asked.
    """

    source: str
    user_id: str
    org_id: str = DEFAULT_ORG
    timezone: str = DEFAULT_ZONE
    active_from: date | None = None
    active_to: date | None = None
    gone: bool = False

    def __repr__(self) -> str:
        return "RosterUser(…)"

    def active_within(self, first: date, last: date) -> tuple[date, date] | None:
        """The part of ``first``..``last`` (inclusive) in which the user is followed, or None."""
        start = max(first, self.active_from or first)
        end = min(last, self.active_to or last)
        return (start, end) if start <= end else None


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


def put_users(connection: sa.Connection, users: Iterable[RosterUser]) -> RosterChange:
    """Add users, or change those that are rostered; whether the vendor knows them is not changed."""
    known = {(user.source, user.user_id): user for user in list_users(connection)}
    added, changed, unchanged = [], [], 0
    for given in users:
        before = known.get((given.source, given.user_id))
        user = replace(given, gone=before.gone if before else False)
        if before is None:
            added.append(user)
        elif before != user:
            changed.append(user)
        else:
            unchanged += 1
    upsert(connection, roster, [_row(user) for user in (*added, *changed)])
    return RosterChange(len(added), len(changed), unchanged)


def remove_user(connection: sa.Connection, source: str, user_id: str) -> bool:
    """Take a user off the roster; data already pulled stays. False when the user was not rostered."""
    mine = (roster.c.source == source) & (roster.c.user_id == user_id)
    connection.execute(
        sa.delete(unpulled_users).where(unpulled_users.c.source == source, unpulled_users.c.user_id == user_id)
    )
    return connection.execute(sa.delete(roster).where(mine)).rowcount > 0


def end_user(connection: sa.Connection, source: str, user_id: str, last: date) -> RosterUser | None:
    """End the following of a user whom the vendor knows no more, on ``last`` or earlier; the user as it is then.

    The user stays on the roster, so that past rows keep their organisation and zone. None when not rostered.
    """
    before = {user.user_id: user for user in list_users(connection, source)}.get(user_id)
    if before is None:
        return None
    ended = replace(
        before,
        active_from=min(before.active_from, last) if before.active_from else None,
        active_to=min(before.active_to, last) if before.active_to else last,
        gone=True,
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


def read_roster_csv(path: Path, source: str) -> list[RosterUser]:
    """Read ``user_id,timezone,org,active_from,active_to`` (only the first required; UTF-8, with or without BOM).

    Raises: WrongUsage naming the file and line, never the content of a cell.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else (error.strerror or "unreadable")
        raise WrongUsage(f"Cannot read {path.name}: {reason}.") from None
    reader = csv.DictReader(StringIO(text), strict=True)
    users: dict[str, RosterUser] = {}
    try:
        _check_columns(path.name, reader.fieldnames or [])
        for row in reader:
            user = _user_of_row(f"{path.name}, line {reader.line_num}", row, source)
            if user.user_id in users:
                raise WrongUsage(f"{path.name}, line {reader.line_num}: this user_id stands in the file twice.")
            users[user.user_id] = user
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
        source=source,
        user_id=cell["user_id"],
        org_id=cell.get("org") or DEFAULT_ORG,
        timezone=check_zone(where, cell.get("timezone") or DEFAULT_ZONE),
        active_from=_date(where, "active_from", cell.get("active_from")),
        active_to=_date(where, "active_to", cell.get("active_to")),
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
