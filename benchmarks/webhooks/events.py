"""The bodies that are posted: the simulator's SESSION_COMPLETE in the layout V3, each of another session."""

from collections.abc import Iterator
from datetime import UTC, datetime

import orjson

from connectors.asleep.sandbox import World
from connectors.asleep.sandbox.webhooks import session_complete

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
_USERS, _NIGHTS = 100, 10

Event = tuple[str, bytes]
"""User id and body."""


class Events:
    """The simulated nights, again and again under new session ids of one length."""

    def __init__(self) -> None:
        world = World(users=_USERS, nights=_NIGHTS, now=NOW)
        self._originals = [
            (user.user_id, session.id, orjson.dumps(session_complete(user, session, NOW, "v3")))
            for user in world.users()
            for session in user.sessions
            if session.state(NOW) == "COMPLETE"
        ]

    def numbered(self, first: int, count: int) -> Iterator[Event]:
        """Those with these numbers; the same number is the same event."""
        for number in range(first, first + count):
            user_id, session_id, body = self._originals[number % len(self._originals)]
            yield user_id, body.replace(session_id.encode(), f"{session_id[:15]}n{number:08}".encode())
