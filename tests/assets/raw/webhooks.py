"""Webhooks in tests: what a world's vendor posts, put into a home's inbox as the receiver does it, and taken in."""

import json
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from typing import Any

from assets.raw.intake import Intake, take_in
from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.sessions import Session, User
from connectors.asleep.sandbox.webhooks import FIRST_BATCH, inference_complete, session_complete
from connectors.asleep.webhooks.inbox import FILE_NAME, Attempt, Delivery, Inbox, Outcome, Status
from connectors.home import Home
from connectors.state.ledger import LedgerSession, sessions_of
from schemas.asleep import ASLEEP
from schemas.asleep_webhook import OtherEvent, webhook_event
from schemas.tables import Table


def body_of(user: User, session: Session, now: datetime, layout: str = "v3") -> bytes:
    """The SESSION_COMPLETE of a session."""
    return json.dumps(session_complete(user, session, now, layout)).encode()


def batches_of(user: User, session: Session, layout: str = "v3") -> list[bytes]:
    """Every INFERENCE_COMPLETE of a session, in order."""
    last = len(session.recording.stages) // 10
    return [
        json.dumps(inference_complete(user, session, number, layout)).encode() for number in range(FIRST_BATCH, last)
    ]


def complete_sessions(world: World) -> list[tuple[User, Session]]:
    """What the vendor has analysed, in the order in which it ended."""
    found = [(u, s) for u in world.users() for s in u.sessions if s.state(world.now) == "COMPLETE"]
    return sorted(found, key=lambda each: each[1].completes)


def receive(home: Home, bodies: Iterable[bytes], unknown_users: str = "quarantine") -> list[Outcome]:
    """Put bodies into the inbox, all at the home's present, as the receiver does."""
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        return inbox.record(
            [Attempt(home.clock(), Outcome.ACCEPTED, len(body), _delivery(body, unknown_users)) for body in bodies]
        )


def _delivery(body: bytes, unknown_users: str) -> Delivery:
    event = webhook_event(body)
    ids: tuple[Any, Any] = (event.user_id, event.session_id)
    if isinstance(event, OtherEvent):
        ids = (event.user_id or "", event.session_id or "")
    return Delivery(ASLEEP, event.event, *ids, Status.NEW, "", unknown_users, body)


def take(home: Home, keep_days: int = 30) -> Intake:
    """Take the home's inbox in."""
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        return take_in(home, inbox, keep_days)


def ledger_of(home: Home, *user_ids: str) -> dict[str, LedgerSession]:
    """What the ledger knows of these users' sessions, by session id."""
    with home.state.read() as connection:
        known = sessions_of(connection, ASLEEP, user_ids)
    return {session.session_id: session for sessions in known.values() for session in sessions}


def rows_of(home: Home, table: Table, *without: str) -> list[dict[str, Any]]:
    """All rows of a lake table, in its order; without columns of when and how they came."""
    folders = sorted(path.name for path in (home.root / "lake" / table.name).glob("date=*"))
    rows = [row for folder in folders for row in home.lake.read(table, folder).to_pylist()]
    return [{name: value for name, value in row.items() if name not in without} for row in rows]
