"""``nightshift history``: the versions of a session, why each is there, and in words what it changed."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import check_range, given_id, open_settings_and_home, parse_date, say
from schemas.documents import DELETED
from schemas.nights import utc_date
from schemas.session_changes import as_known_at, told

if TYPE_CHECKING:
    from connectors.home import Home

Version = dict[str, Any]
"""A row of ``session_history``."""

_KEY = ("source", "user_id", "session_id")
_SAME_FIGURES = "times and figures as before"


def history(
    session_id: Annotated[
        str | None, typer.Argument(metavar="SESSION", help="The session's id; - reads it from stdin.")
    ] = None,
    user_id: Annotated[
        str | None, typer.Option("--user", help="The user's id; - reads it from stdin, after the session's.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only of this source: asleep or eight_sleep.")] = None,
    first: Annotated[str | None, typer.Option("--from", help="First UTC start date; default the look-back.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last UTC start date, inclusive; default today.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="As it was known at this time; UTC unless it has an offset.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show all versions of a session, or of every session of a range that has more than one.

    A session id that two sources have is shown of both. It is personal health data.
    """
    from connectors.state.roster import SOURCES, check_source

    if source is not None:
        check_source("--source", source)
    sources = [name for name in SOURCES if source in (None, name)]
    if session_id is not None and (user_id is None or first or last):
        raise WrongUsage("A session is named with its user (--user ID) and without a range (--from, --to).")
    moment = _moment(as_of)
    settings, home = open_settings_and_home()
    session_id = None if session_id is None else given_id(session_id, "session id")
    user_id = None if user_id is None else given_id(user_id, "user id")
    if session_id is not None and user_id is not None:
        of_each = (_versions_of(home, (name, user_id, session_id), moment) for name in sources)
        found = [versions for versions in of_each if versions]
        if not found:
            raise WrongUsage("No version of this session is known, or none was then; `nightshift sync` builds them.")
        asked_for = "All versions"
    else:
        today = utc_date(home.clock())
        end = parse_date(last, "--to") or today
        start = parse_date(first, "--from") or min(end, today - timedelta(days=settings.nightshift_lookback_days))
        check_range(start, end)
        found, known = _changed_between(home, (start, end), sources, user_id, moment)
        asked_for = f"{known} session(s) from {start} to {end}, {len(found)} of them with more than one version"
    if as_json:
        say(json.dumps({"as_of": moment and moment.isoformat(), "sessions": [_as_json(session) for session in found]}))
        return
    say(f"{asked_for}{f', as known at {moment:%Y-%m-%d %H:%M:%S} UTC' if moment else ''}. Times are UTC.")
    for session in found:
        for line in _lines(session):
            say(line)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongUsage("--as-of: not a time like 2026-11-22T04:00:00Z.") from None


def _versions_of(home: "Home", key: tuple[str, str, str], moment: datetime | None) -> list[Version]:
    """The versions of one session, oldest first; the ledger knows under which date they lie."""
    from connectors.state.ledger import sessions_of

    source, user_id, session_id = key
    with home.state.read() as connection:
        days = [s.partition for s in sessions_of(connection, source, [user_id])[user_id] if s.session_id == session_id]
    return [version for day in days for version in _read(home, day, {key}, moment)]


def _changed_between(
    home: "Home", days: tuple[date, date], sources: Sequence[str], user_id: str | None, moment: datetime | None
) -> tuple[list[list[Version]], int]:
    """The sessions of these inclusive dates that have more than one version, and how many there are in all."""
    from schemas.tables import SESSION_HISTORY

    first, last = days
    found: list[list[Version]] = []
    known = 0
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        columns = [*_KEY, "revision", "valid_from"]
        listed = home.lake.read(SESSION_HISTORY, f"date={day}", columns).to_pylist()
        seen = [
            row
            for row in listed
            if row["source"] in sources
            and (user_id is None or row["user_id"] == user_id)
            and (moment is None or row["valid_from"] <= moment)
        ]
        known += len({_key(row) for row in seen})
        changed = {_key(row) for row in seen if row["revision"] > 1}
        if changed:
            found += [list(versions) for _, versions in groupby(_read(home, day, changed, moment), key=_key)]
    return found, known


def _read(home: "Home", day: date, keys: set[tuple[str, ...]], moment: datetime | None) -> list[Version]:
    """The versions of these sessions, by session, oldest first; with a moment, as they stood then."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from schemas.tables import SESSION_HISTORY

    table = home.lake.read(SESSION_HISTORY, f"date={day}")
    session_ids = pa.array(sorted({session_id for *_, session_id in keys}), pa.string())
    of_these = pc.is_in(table["session_id"], session_ids)
    versions: list[Version] = [row for row in table.filter(of_these).to_pylist() if _key(row) in keys]
    return versions if moment is None else as_known_at(versions, moment)


def _key(version: Version) -> tuple[str, ...]:
    return tuple(version[name] for name in _KEY)


def _as_json(versions: Sequence[Version]) -> dict[str, Any]:
    """A session with its versions; values as in the lake, times and dates as ISO 8601."""
    shared = (*_KEY, "org_id")
    return {name: versions[0][name] for name in shared} | {
        "versions": [
            {name: _plain(value) for name, value in version.items() if name not in shared} | {"differences": texts}
            for version, texts in zip(versions, told(versions), strict=True)
        ]
    }


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _lines(versions: Sequence[Version]) -> Iterator[str]:
    """A session in words, a line a version."""
    from pipelines.command.vendor.words import plain

    of = versions[0]
    yield f"\n{plain(of['session_id'])} of {plain(of['user_id'])}, {plain(of['source'])}"
    for number, (version, texts) in enumerate(zip(versions, told(versions), strict=True)):
        compared = number > 0 and version["reason"] != DELETED
        words = plain(", ".join(texts)) or (_SAME_FIGURES if compared else "")
        yield f"{version['revision']:>4}  {_minute(version['seen_at'])}  {version['reason']:12}{words}".rstrip()
    ended = versions[-1]["valid_to"]
    if ended:
        yield f"      {_minute(ended)}  a version that is in no table: nightshift quarantine list"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
