"""Posting webhooks to a callback address, as the vendor does when a batch is staged and when a session is analysed.

The vendor publishes no order and no schedule of retries: events may come twice, out of order, or not at all, and what
is not answered with 2xx is posted again later. Here "later" is with the next change of the world, so that a test sees
what it has asked for. Bodies are made in ``webhooks``.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import httpx
import orjson

from connectors.asleep.sandbox.hypnogram import EPOCH_S
from connectors.asleep.sandbox.sessions import BATCH_CHUNKS, Session, User
from connectors.asleep.sandbox.webhooks import FIRST_BATCH, inference_complete, session_complete
from connectors.asleep.sandbox.world import World

SESSION, INFERENCE = "SESSION_COMPLETE", "INFERENCE_COMPLETE"
EVENTS = (SESSION, INFERENCE)
ATTEMPTS = 5
"""How often an event is posted before the vendor gives up."""

_AT_ONCE = 8
_PATIENCE_S = 30.0
_FARTHEST = 40
_BATCH = timedelta(seconds=BATCH_CHUNKS * EPOCH_S)


@dataclass(frozen=True, slots=True)
class Callback:
    """Where to post and how badly: shares of events that come twice, that come late, and that never come (0 to 1).

    Each event has one of the ``layouts``, drawn anew. ``wrong_key`` is the share that is posted once with another key
    before it is posted with the right one.
    """

    url: str
    key: str
    events: tuple[str, ...] = EVENTS
    layouts: tuple[str, ...] = ("v3",)
    twice: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    wrong_key: float = 0.0

    def __repr__(self) -> str:
        return "Callback(…)"


@dataclass(slots=True)
class _Post:
    user_id: str
    body: bytes
    key: str
    attempts: int = 0
    is_forged: bool = False


class Sender:
    """Posts what has happened in a world since a callback was given; counts of how the posts were answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = Random(f"callback {world.seed}")  # noqa: S311 - the same world sends the same
        self._told: set[tuple[str, str, int]] = set()
        self._over: set[str] = set()
        self._waiting: list[_Post] = []
        self._turn = asyncio.Lock()
        self.callback: Callback | None = None
        self.counts: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Events that were not taken yet and will be posted again."""
        return len(self._waiting)

    def call_back(self, callback: Callback | None) -> None:
        """Post to this address what happens from now on; None: nothing any more."""
        self.callback = callback
        self.counts.clear()
        self._waiting.clear()
        self._over = {one.id for user in self._world.users() for one in user.sessions if self._is_complete(one)}
        self._told = {key for _, key, _, _ in self._happened()}

    async def send(self) -> None:
        """Post what has happened and what was not taken before; returns when all of it was answered."""
        async with self._turn:
            if self.callback is None:
                return
            posts = [*self._waiting, *self._new_posts(self.callback)]
            self._waiting = []
            async with httpx.AsyncClient(timeout=_PATIENCE_S, limits=httpx.Limits(max_connections=_AT_ONCE)) as client:
                for start in range(0, len(posts), _AT_ONCE):
                    some = posts[start : start + _AT_ONCE]
                    await asyncio.gather(*(self._post(client, self.callback.url, post) for post in some))

    async def _post(self, client: httpx.AsyncClient, url: str, post: _Post) -> None:
        headers = {"x-api-key": post.key, "x-user-id": post.user_id, "content-type": "application/json"}
        post.attempts += 1
        try:
            status = (await client.post(url, content=post.body, headers=headers)).status_code
        except httpx.HTTPError:
            status = 0
        self.counts[str(status) if status else "unreachable"] += 1
        if not post.is_forged and not 200 <= status < 300:
            if post.attempts < ATTEMPTS:
                self._waiting.append(post)
            else:
                self.counts["given_up"] += 1

    def _new_posts(self, callback: Callback) -> list[_Post]:
        """What has happened since, in the order in which it did but for what comes late."""
        placed: list[tuple[float, _Post]] = []
        happened = sorted(self._happened(), key=lambda one: one[0])
        for place, (_, key, user, session) in enumerate(one for one in happened if one[1] not in self._told):
            self._told.add(key)
            self._over |= {session.id} if key[0] == SESSION else set()
            if key[0] not in callback.events:
                continue
            if self._random.random() < callback.lost:
                self.counts["lost"] += 1
                continue
            post = _Post(user.user_id, self._body(key, user, session, callback), callback.key)
            late = self._random.randint(1, _FARTHEST) if self._random.random() < callback.late else 0
            placed.append((place + late, post))
            if self._random.random() < callback.wrong_key:
                placed.append((place - 0.5, _Post(post.user_id, post.body, f"not {callback.key}", is_forged=True)))
            if self._random.random() < callback.twice:
                again = place + self._random.randint(1, _FARTHEST)
                placed.append((again, _Post(post.user_id, post.body, post.key)))
        return [post for _, post in sorted(placed, key=lambda one: one[0])]

    def _body(self, key: tuple[str, str, int], user: User, session: Session, callback: Callback) -> bytes:
        event, _, number = key
        layout = self._random.choice(callback.layouts)
        if event == SESSION:
            return orjson.dumps(session_complete(user, session, self._world.now, layout))
        return orjson.dumps(inference_complete(user, session, number, layout))

    def _happened(self) -> Iterator[tuple[datetime, tuple[str, str, int], User, Session]]:
        """All there is to tell of sessions that are not over, with its time, and a key: event, session, batch."""
        now = self._world.now
        for user in self._world.users():
            for session in user.sessions:
                if session.id in self._over:
                    continue
                batches = len(session.recording.stages) // BATCH_CHUNKS
                for number in range(FIRST_BATCH, min(batches, session.chunks_received(now) // BATCH_CHUNKS)):
                    yield session.start + (number + 1) * _BATCH, (INFERENCE, session.id, number), user, session
                if self._is_complete(session):
                    yield session.completes, (SESSION, session.id, 0), user, session

    def _is_complete(self, session: Session) -> bool:
        return session.state(self._world.now) == "COMPLETE"
