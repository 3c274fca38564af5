"""``nightshift vendor session``: show and delete one session at the vendor; the tables follow with the next sync."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.command.console import check_can_ask, confirm, given_id, note, say
from pipelines.command.vendor.account import ask, open_account
from schemas.asleep import ASLEEP

if TYPE_CHECKING:
    from connectors.asleep.connection import AsleepConnection
    from connectors.home import Home
    from connectors.state.ledger import LedgerSession

app = typer.Typer(help="One session at the vendor.", no_args_is_help=True)

SessionId = Annotated[str, typer.Argument(help="The session's id; - reads it from stdin.")]
OfUser = Annotated[str, typer.Option("--user", help="The user's id; - reads it from stdin, after the session's.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


@app.command("show")
def show(session_id: SessionId, user_id: OfUser, as_json: Json = False) -> None:
    """Show what Asleep knows of a session, times on the clock of the phone. It is personal health data."""
    from pipelines.command.vendor.words import session_lines

    session_id, user_id = given_id(session_id, "session id"), given_id(user_id, "user id")
    home, connection = open_account()
    answer = ask(connection, lambda client: client.get_session(user_id, session_id))
    if as_json:
        say(json.dumps(json.loads(answer.body)["result"]))
        return
    for name, words in session_lines(answer.result()):
        say(f"{name:22}{words}")
    known = _known(home, user_id, session_id)
    say(f"{'in this home':22}{f'{known.verdict}, revision {known.revision}' if known else 'not pulled yet'}")


@app.command("delete")
def delete(session_id: SessionId, user_id: OfUser, yes: Yes = False) -> None:
    """Delete a session at Asleep with its recording; the next sync takes it out of the tables here."""
    from connectors.errors import NightshiftError, UserNotFound

    check_can_ask(yes)
    session_id, user_id = given_id(session_id, "session id"), given_id(user_id, "user id")
    home, connection = open_account()
    _check_tables_can_follow(home, user_id, session_id)
    try:
        note(_told_before(connection, user_id, session_id))
    except UserNotFound:
        say("Asleep knows no such user, so the session counts as deleted; what this home has of the user stays.")
        return
    confirm("delete", yes)
    # Before the call, so that a crash cannot hide the deletion; after it, because a sync may have run in between.
    _owe(home, user_id, session_id)
    existed = ask(connection, lambda client: client.delete_session(user_id, session_id))
    owed = _owe(home, user_id, session_id)
    if existed and _is_there(connection, user_id, session_id):
        raise NightshiftError(
            "Asleep accepted the deletion but still shows the session: run this again later, then nightshift sync."
        )
    done = "Deleted at Asleep" if existed else "Asleep knows no such session, so it counts as deleted"
    tables = "nightshift sync takes it out of the tables" if owed else "this home has no row of it"
    say(f"{done}; {tables}.")


def _check_tables_can_follow(home: "Home", user_id: str, session_id: str) -> None:
    """Refuse when no sync would ever notice, because it asks only for users of the roster. Raises: WrongUsage."""
    from connectors.errors import WrongUsage
    from connectors.state.roster import users_to_ask

    with home.state.read() as reading:
        rostered = any(user.user_id == user_id for user in users_to_ask(reading, ASLEEP))
    if not rostered and _known(home, user_id, session_id) is not None:
        raise WrongUsage(
            "This user is not on the roster, so no sync would take the session out of the tables: put the user back "
            "first (nightshift users add, with --active-to for a user who is not followed any more)."
        )


def _told_before(connection: "AsleepConnection", user_id: str, session_id: str) -> str:
    """What is about to be lost. Raises: VendorError."""
    from connectors.errors import SessionNotFound, UnreadableAnswer
    from pipelines.command.vendor.words import duration, moment

    lost = "Asleep deletes it with its recording and analysis, for good."
    try:
        detail = ask(connection, lambda client: client.get_session(user_id, session_id)).result()
    except SessionNotFound:
        return "Asleep knows no such session: it is deleted already."
    except UnreadableAnswer:
        return f"A session that Nightshift cannot read. {lost}"
    slept = f", {duration(detail.stat.time_in_sleep)} asleep" if detail.stat else ""
    return f"The session of {moment(detail.session.start_time, detail.session.created_timezone)}{slept}. {lost}"


def _is_there(connection: "AsleepConnection", user_id: str, session_id: str) -> bool:
    from connectors.errors import SessionNotFound, UserNotFound

    try:
        ask(connection, lambda client: client.get_session(user_id, session_id))
    except (SessionNotFound, UserNotFound):
        return False
    return True


def _owe(home: "Home", user_id: str, session_id: str) -> bool:
    """Have the next sync ask for the session, wherever its date lies; False if this home has no row of it."""
    from dataclasses import replace

    from connectors.state.ledger import PENDING, put_sessions

    known = _known(home, user_id, session_id)
    if known is None:
        return False
    with home.state.write() as writing:
        put_sessions(writing, [replace(known, verdict=PENDING)])
    return True


def _known(home: "Home", user_id: str, session_id: str) -> "LedgerSession | None":
    """The session as the ledger knows it, unless it has seen it go already."""
    from connectors.state.ledger import DELETED, sessions_of

    with home.state.read() as reading:
        sessions = sessions_of(reading, ASLEEP, [user_id])[user_id]
    return next((s for s in sessions if s.session_id == session_id and s.verdict != DELETED), None)
