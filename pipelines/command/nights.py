"""``nightshift nights``: for every expected night why there is data or why not; the cohort's, or one user's calendar.

Shows the table ``night_ledger`` as it was last built, one row a person and night: of several sources the one that tells
most, as the mart ``nights`` has it without a main sleep. Nothing else is decided here.
"""

import calendar
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import (
    check_range,
    given_id,
    note,
    open_settings_and_home,
    parse_date,
    print_table,
    say,
)
from schemas.night_counts import completeness, percent
from schemas.night_verdicts import (
    COMPLETE,
    DELETED,
    INACTIVE,
    NAP_ONLY,
    NEVER_SLEPT,
    NO_RECORDING,
    NOT_CHECKED,
    PENDING,
    PROVIDER_ERROR,
    QUARANTINED,
    TOO_SHORT,
    USER_GONE,
    VERDICTS,
)
from schemas.nights import utc_date

if TYPE_CHECKING:
    from connectors.home import Home

SYMBOLS: dict[str, tuple[str, str | None]] = {
    COMPLETE: ("C", "green"),
    PENDING: ("P", "cyan"),
    QUARANTINED: ("Q", "red"),
    USER_GONE: ("G", "magenta"),
    PROVIDER_ERROR: ("!", "red"),
    INACTIVE: ("I", None),
    NOT_CHECKED: ("?", "red"),
    NEVER_SLEPT: ("A", "yellow"),
    NAP_ONLY: ("N", "yellow"),
    TOO_SHORT: ("S", "yellow"),
    DELETED: ("D", "magenta"),
    NO_RECORDING: ("-", "yellow"),
}
"""The letter of each verdict in a calendar and its colour on a terminal; A is for awake."""

_TOLD = ("source", "verdict", "reason", "session_ids", "main_session_id", "late_days", "revised", "path")
_TIMES = ("first_seen_at", "checked_at")

Row = Mapping[str, Any]


def nights(
    user: Annotated[
        str | None, typer.Argument(help="A user's id (- reads it from stdin); without it the cohort.")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="First night: the date of its evening.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="Last night, inclusive; default the newest.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Say for every night why there is data or why not: the cohort's counts, or a user's calendar with reasons."""
    settings, home = open_settings_and_home()
    end = parse_date(last, "--to") or utc_date(home.clock())
    start = parse_date(first, "--from") or end - timedelta(days=settings.nightshift_lookback_days)
    check_range(start, end)
    user_id = given_id(user, "user id") if user is not None else None
    if user_id is not None:
        _check_rostered(home, user_id)
    rows = merged(row for row in _rows(home, start, end) if user_id is None or row["user_id"] == user_id)
    if as_json:
        told = _cohort(rows) if user_id is None else [_of_user(row) for row in rows]
        say(json.dumps({"from": start.isoformat(), "to": end.isoformat(), "nights": told}))
    elif not rows:
        note("No night of this range is accounted for yet: nightshift sync")
    elif user_id is None:
        _show_cohort(rows, settings.nightshift_completeness_threshold)
    else:
        _show_user(rows, start, end)


def merged(rows: Iterable[Row]) -> list[Row]:
    """One row of the ledger a person and night: of several sources the first by verdict, then by source."""
    from schemas.marts import SOURCE_PRECEDENCE, VERDICT_PRECEDENCE

    def place(row: Row) -> tuple[int, int, str]:
        source = row["source"]
        ranked = SOURCE_PRECEDENCE.index(source) if source in SOURCE_PRECEDENCE else len(SOURCE_PRECEDENCE)
        return VERDICT_PRECEDENCE.index(row["verdict"]), ranked, source

    found: dict[tuple[date, str], Row] = {}
    for row in sorted(rows, key=place):
        found.setdefault((row["night_of"], row["user_id"]), row)
    return [found[key] for key in sorted(found)]


def draw_calendar(verdicts: Mapping[date, str], first: date, last: date) -> Iterator[str]:
    """Lines of a calendar, month by month, Monday first: the day and its letter; nights outside of the range are blank.

    Colours are escape sequences, which printing to anything but a terminal takes out.
    """
    month = first.replace(day=1)
    while month <= last:
        yield f"{calendar.month_name[month.month]} {month.year}"
        yield " ".join(f"{name} " for name in ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")).rstrip()
        for week in calendar.Calendar().monthdatescalendar(month.year, month.month):
            cells = [
                _cell(day, verdicts) if day.month == month.month and first <= day <= last else "   " for day in week
            ]
            if any(cell.strip() for cell in cells):
                yield " ".join(cells).rstrip()
        yield ""
        month = (month + timedelta(days=31)).replace(day=1)


def legend(verdicts: Iterable[str]) -> str:
    """The letters of the verdicts that occur, in the order of precedence."""
    occurring = set(verdicts)
    return "   ".join(f"{_letter(verdict)} {_words(verdict)}" for verdict in VERDICTS if verdict in occurring)


def sentences(rows: Iterable[Row]) -> Iterator[str]:
    """One line for every night that is not complete, and for those that are but came late or changed."""
    for row in rows:
        remarks = [row["reason"]] if row["reason"] else []
        if row["late_days"]:
            remarks.append(f"its data came {row['late_days']} day(s) late")
        if row["revised"]:
            remarks.append("what had come was changed later")
        if remarks:
            yield f"{row['night_of']} {_words(row['verdict'])}: {'; '.join(remarks)}"


def _rows(home: "Home", first: date, last: date) -> Iterator[Row]:
    from schemas.tables import NIGHT_LEDGER

    for number in range((last - first).days + 1):
        night = first + timedelta(days=number)
        yield from home.lake.read(NIGHT_LEDGER, f"date={night.isoformat()}").to_pylist()


def _check_rostered(home: "Home", user_id: str) -> None:
    from connectors.state.roster import list_users

    with home.state.read() as connection:
        if all(user.user_id != user_id for user in list_users(connection)):
            raise WrongUsage("This user is not on the roster: see `nightshift users list`.")


def _by_night(rows: Iterable[Row]) -> dict[date, Counter[str]]:
    counts: dict[date, Counter[str]] = {}
    for row in rows:
        counts.setdefault(row["night_of"], Counter())[row["verdict"]] += 1
    return counts


def _cohort(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [
        {
            "night_of": night.isoformat(),
            "expected": counts.total(),
            "completeness": completeness(counts),
            "verdicts": {verdict: counts[verdict] for verdict in VERDICTS if counts[verdict]},
        }
        for night, counts in _by_night(rows).items()
    ]


def _of_user(row: Row) -> dict[str, Any]:
    times = {name: row[name].isoformat() if row[name] else None for name in _TIMES}
    return {"night_of": row["night_of"].isoformat(), **{name: row[name] for name in _TOLD}, **times}


def _show_cohort(rows: Sequence[Row], threshold: float) -> None:
    counts = _by_night(rows)
    occurring = [verdict for verdict in VERDICTS if any(night[verdict] for night in counts.values())]
    shares = {night: completeness(verdicts) or 0.0 for night, verdicts in counts.items()}
    print_table(
        ["night", "expected", "accounted for", *map(_words, occurring)],
        [
            (night, verdicts.total(), percent(shares[night]), *(verdicts[verdict] or None for verdict in occurring))
            for night, verdicts in counts.items()
        ],
    )
    below = [night.isoformat() for night, share in shares.items() if share < threshold]
    if below:
        say(f"{len(below)} night(s) are accounted for by less than {percent(threshold)}: {', '.join(below)}")


def _show_user(rows: Sequence[Row], first: date, last: date) -> None:
    verdicts = {row["night_of"]: row["verdict"] for row in rows}
    for line in draw_calendar(verdicts, first, last):
        say(line)
    say(legend(verdicts.values()))
    tellers = Counter(row["source"] for row in rows)
    if len(tellers) > 1:
        say(f"Told by {', '.join(f'{source}: {count} night(s)' for source, count in sorted(tellers.items()))}")
    told = list(sentences(rows))
    if told:
        say()
    for line in told:
        say(line)


def _cell(day: date, verdicts: Mapping[date, str]) -> str:
    return f"{day.day:>2}{_letter(verdicts[day]) if day in verdicts else ' '}"


def _letter(verdict: str) -> str:
    letter, colour = SYMBOLS[verdict]
    return typer.style(letter, fg=colour, bold=True) if colour else letter


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")
