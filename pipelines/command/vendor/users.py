"""``nightshift vendor user``: create, show, change and delete one user at the vendor; the roster follows."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.command.console import check_can_ask, confirm, given_id, note, parse_date, say
from pipelines.command.vendor.account import ask, open_account
from pipelines.command.vendor.metadata import FIELDS, changed, check_ranges, differences, lines
from schemas.asleep import ASLEEP
from schemas.nights import utc_date

if TYPE_CHECKING:
    from connectors.asleep.connection import AsleepConnection
    from connectors.home import Home
    from connectors.state.roster import RosterUser

app = typer.Typer(help="One user at the vendor.", no_args_is_help=True)

UserId = Annotated[str, typer.Argument(help="The user's id at Asleep; - reads it from stdin.")]
BirthYear = Annotated[int | None, typer.Option(help="1900 to this year.")]
BirthMonth = Annotated[int | None, typer.Option(help="1 to 12.")]
BirthDay = Annotated[int | None, typer.Option(help="A day of that month.")]
Gender = Annotated[str | None, typer.Option(help="male, female, non_binary, other or prefer_not_to_say.")]
HeightCm = Annotated[float | None, typer.Option(help="0 to 300, one decimal place.")]
WeightKg = Annotated[float | None, typer.Option(help="0 to 1000, one decimal place.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command("create")
def create(
    birth_year: BirthYear = None,
    birth_month: BirthMonth = None,
    birth_day: BirthDay = None,
    gender: Gender = None,
    height_cm: HeightCm = None,
    weight_kg: WeightKg = None,
    timezone: Annotated[str, typer.Option(help="IANA zone, such as Asia/Seoul.")] = "UTC",
    org: Annotated[str, typer.Option(help="Label of the organisation.")] = "default",
    active_from: Annotated[str | None, typer.Option(help="First day to follow, YYYY-MM-DD.")] = None,
    as_json: Json = False,
) -> None:
    """Make a user at Asleep, print the id that Asleep chose, and follow the user."""
    from connectors.errors import NightshiftError, VendorError
    from connectors.state.roster import RosterUser, check_zone
    from schemas.asleep import UserMetadata

    facts = _given(birth_year, birth_month, birth_day, gender, height_cm, weight_kg)
    zone, first = check_zone("--timezone", timezone), parse_date(active_from, "--active-from")
    home, connection = open_account()
    check_ranges(facts, home.clock().year)
    metadata = UserMetadata(**facts) if facts else None
    sent: list[str] = []
    try:
        user_id = ask(connection, lambda client: client.create_user(metadata), on_call=sent.append)
    except VendorError as error:
        if getattr(error, "may_have_run", True) and error.kind in MAY_HAVE_MADE_ONE:
            note(f"{NOT_KNOWN}.")
        raise
    except KeyboardInterrupt:
        if not sent:
            raise
        raise NightshiftError(f"stopped. {NOT_KNOWN}, and this command makes another when run again.") from None
    # Asleep has no list of users: an id that is not told now is lost, so it is told before anything else can fail.
    try:
        say(json.dumps({"user_id": user_id}) if as_json else user_id)
    finally:
        _follow(home, connection, RosterUser(ASLEEP, user_id, org, zone, first))
    note("Made at Asleep, and on the roster.")


@app.command("show")
def show(user_id: UserId, as_json: Json = False) -> None:
    """Show what Asleep knows of a user. It is personal data."""
    from connectors.state.roster import list_users
    from pipelines.command.vendor.words import last_session

    user_id = given_id(user_id, "user id")
    home, connection = open_account()
    result = _result(ask(connection, lambda client: client.get_user(user_id)).body)
    if as_json:
        say(json.dumps(result))
        return
    with home.state.read() as reading:
        rostered = [user for user in list_users(reading, ASLEEP) if user.user_id == user_id]
    for name, words in lines(result.get("metadata")):
        say(f"{name:14}{words}")
    say(f"{'last session':14}{last_session(result.get('last_session_info'))}")
    say(f"{'deletion':14}{'marked for deletion' if result.get('to_be_deleted') else 'not marked for deletion'}")
    say(f"{'roster':14}{_followed(rostered[0]) if rostered else 'not on the roster of this home'}")


@app.command("update")
def update(
    user_id: UserId,
    birth_year: BirthYear = None,
    birth_month: BirthMonth = None,
    birth_day: BirthDay = None,
    gender: Gender = None,
    height_cm: HeightCm = None,
    weight_kg: WeightKg = None,
    clear: Annotated[list[str] | None, typer.Option(help="A field to empty, such as height-cm; repeatable.")] = None,
    yes: Yes = False,
) -> None:
    """Change what Asleep knows of a user; what is not named stays as it is."""
    from connectors.errors import NightshiftError
    from schemas.asleep import UserMetadata

    facts = _given(birth_year, birth_month, birth_day, gender, height_cm, weight_kg)
    cleared = _cleared(clear or [], facts)
    check_can_ask(yes)
    user_id = given_id(user_id, "user id")
    home, connection = open_account()
    check_ranges(facts, home.clock().year)
    before = _result(ask(connection, lambda client: client.get_user(user_id)).body).get("metadata") or {}
    after = changed(before, facts, cleared)
    if not (found := differences(before, after)):
        say("Asleep has it so already: nothing was changed.")
        return
    for line in found:
        note(line)
    confirm("yes", yes)
    ask(connection, lambda client: client.update_user(user_id, UserMetadata(**after)))
    _fetch_again(home, user_id)
    kept = _result(ask(connection, lambda client: client.get_user(user_id)).body).get("metadata") or {}
    if differences(kept, after):
        raise NightshiftError("Asleep accepted the change but shows other values: see `nightshift vendor user show`.")
    say("Changed at Asleep; the next sync brings it into the table users.")


@app.command("delete")
def delete(user_id: UserId, yes: Yes = False) -> None:
    """Delete a user at Asleep with all that is there, and stop following; what this home has pulled stays."""
    from assets.builds import mark_users_dirty
    from connectors.state.roster import end_user

    check_can_ask(yes)
    user_id = given_id(user_id, "user id")
    home, connection = open_account()
    note("Asleep deletes the user with all sessions, recordings and reports, for good.")
    note(f"{_known_sessions(home, user_id)} What was not pulled yet is lost: to keep it, run nightshift sync before.")
    confirm("delete", yes)
    existed = ask(connection, lambda client: client.delete_user(user_id))
    with home.state.write() as writing:
        ended = end_user(writing, ASLEEP, user_id, utc_date(home.clock()))
        if ended is not None:
            mark_users_dirty(writing)
    done = "Deleted at Asleep" if existed else "Asleep knows no such user, so it counts as deleted"
    roster = "not followed any more; the rows of the past stay" if ended else "was not on the roster of this home"
    say(f"{done}; {roster}.")


NOT_KNOWN = "It is not known whether Asleep made the user; if it did, it stays there, empty and unfollowed"

NOT_FOLLOWED = "The user was made at Asleep but is not on the roster: nightshift users add with the id printed above."

MAY_HAVE_MADE_ONE = frozenset({"host_unreachable", "server_failed", "unreadable_answer"})
"""Kinds of error after which the vendor may have carried out what was asked."""


def _given(
    birth_year: int | None,
    birth_month: int | None,
    birth_day: int | None,
    gender: str | None,
    height_cm: float | None,
    weight_kg: float | None,
) -> dict[str, Any]:
    """The fields that were given, under the vendor's names."""
    values = (birth_year, birth_month, birth_day, gender, height_cm, weight_kg)
    return {field: value for field, value in zip(FIELDS.values(), values, strict=True) if value is not None}


def _cleared(options: list[str], facts: dict[str, Any]) -> list[str]:
    """The vendor's names of the fields to empty. Raises: WrongUsage."""
    from connectors.errors import WrongUsage

    if unknown := [option for option in options if option not in FIELDS]:
        raise WrongUsage(f"--clear: {len(unknown)} field(s) are not known (known are {', '.join(FIELDS)}).")
    cleared = [FIELDS[option] for option in options]
    if set(cleared) & set(facts):
        raise WrongUsage("A field cannot be both set and cleared: leave one of the two out.")
    if not cleared and not facts:
        raise WrongUsage("Say what to change, such as --height-cm 172.5 or --clear weight-kg.")
    return cleared


def _follow(home: "Home", connection: "AsleepConnection", user: "RosterUser") -> None:
    """Put a new user on the roster; the home is now that of the account in which the user is.

    Raises: StateUnavailable, or NightshiftError at Ctrl-C, after saying what is left to do.
    """
    from assets.builds import mark_roster_dirty
    from connectors.errors import NightshiftError
    from connectors.state.roster import put_users
    from connectors.state.vendor import remember_vendor

    try:
        with home.state.write() as writing:
            remember_vendor(writing, connection.account())
            put_users(writing, [user])
            mark_roster_dirty(writing, {}, [user])
    except NightshiftError:
        note(NOT_FOLLOWED)
        raise
    except KeyboardInterrupt:
        raise NightshiftError(f"stopped. {NOT_FOLLOWED}") from None


def _fetch_again(home: "Home", user_id: str) -> None:
    """Have the next sync ask for the user's document, which it would otherwise do once a week only."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from connectors.state.ledger import documents_of, put_documents
    from schemas.documents import USER

    with home.state.write() as writing:
        document = documents_of(writing, ASLEEP, [user_id])[user_id].get((USER, user_id))
        if document is not None:
            put_documents(writing, [replace(document, fetched_at=datetime.min.replace(year=1970, tzinfo=UTC))])


def _known_sessions(home: "Home", user_id: str) -> str:
    from connectors.state.ledger import COMPLETE, DELETED, sessions_of

    with home.state.read() as reading:
        verdicts = [session.verdict for session in sessions_of(reading, ASLEEP, [user_id])[user_id]]
    living = len(verdicts) - verdicts.count(DELETED)
    waiting = living - verdicts.count(COMPLETE)
    open_ones = f", {waiting} of them not complete" if waiting else ""
    return f"This home knows {living} session(s) of the user{open_ones}."


def _followed(user: "RosterUser") -> str:
    if user.removed:
        return f"removed; was followed to {user.active_to}, zone {user.timezone}, organisation {user.org_id}"
    since = f" from {user.active_from}" if user.active_from else ""
    until = f" to {user.active_to}" if user.active_to else ""
    return f"followed{since}{until}, zone {user.timezone}, organisation {user.org_id}"


def _result(body: bytes) -> dict[str, Any]:
    """The result as received, with fields that no schema names."""
    result: dict[str, Any] = json.loads(body)["result"]
    return result
