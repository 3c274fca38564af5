"""Deliveries as bad as they can be, through the real receiver, and runs that are killed while they take them in."""

import os
import shutil
import signal
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox, Outcome, Status
from connectors.asleep.webhooks.live_sessions import LiveSession
from connectors.asleep.webhooks.receiver import PATH
from connectors.home import Home
from connectors.state.dirty import list_dirty
from schemas.asleep_webhook import SessionComplete, webhook_event
from schemas.documents import SESSION
from schemas.tables import SESSION_HISTORY, SLEEP_HYPNOGRAMS, SLEEP_SESSIONS, SLEEP_STAGE_INTERVALS
from tests.assets.draining import drain
from tests.assets.homes import StandingClock, new_home
from tests.assets.raw.pulls import Puller, follow_everybody, kept
from tests.assets.raw.webhooks import batches_of, body_of, complete_sessions, ledger_of, receive, rows_of, take
from tests.connectors.asleep.webhooks.posting import KEY, NOW, receiver

SENDERS = 4
COPIES = 10
TIMES = ("fetched_at", "seen_at", "valid_from", "valid_to")
PLACES = ["pull.announced", "raw.appended", "raw.appended:2", "pull.raw_durable", "pull.before_commit"]
PLACES += ["pull.committed", "inbox.in_ledger", "inbox.settling", "inbox.settled"]


def events_of(world: World, count: int) -> list[bytes]:
    """So many events: every complete session, and batches of those, and of others that still run."""
    complete = [body_of(user, session, NOW) for user, session in complete_sessions(world)]
    sessions = [(user, session) for user in world.users() for session in user.sessions]
    sessions.sort(key=lambda each: each[1].state(NOW) == "COMPLETE")
    batches = [
        body for user, session in sessions if len(session.recording.stages) >= 60 for body in batches_of(user, session)
    ]
    assert len(complete) + len(batches) >= count
    return [*batches[: count - len(complete)], *complete]


def post_all(base_url: str, sent: Sequence[tuple[bytes, str, str]]) -> None:
    """Post bodies with their users and keys, several at a time."""
    address = urlsplit(base_url)

    def post(some: Sequence[tuple[bytes, str, str]]) -> None:
        with closing(HTTPConnection(str(address.hostname), address.port, timeout=60)) as connection:
            for body, user, key in some:
                connection.request("POST", PATH, body, {"x-api-key": key, "x-user-id": user})
                connection.getresponse().read()

    with ThreadPoolExecutor(SENDERS) as senders:
        list(senders.map(post, [sent[number::SENDERS] for number in range(SENDERS)]))


def user_in(body: bytes) -> str:
    """Whose event it is."""
    event = webhook_event(body)
    assert event.user_id
    return event.user_id


def live_in(home: Home) -> list[LiveSession]:
    """What runs."""
    with closing(Inbox(home.root / FILE_NAME)) as inbox:
        return inbox.live_sessions()


def tables(home: Home, *without: str) -> list[list[dict[str, Any]]]:
    """The tables of nights, but for when they came."""
    daily = (SLEEP_SESSIONS, SLEEP_HYPNOGRAMS, SLEEP_STAGE_INTERVALS, SESSION_HISTORY)
    return [rows_of(home, table, *TIMES, *without) for table in daily]


@pytest.mark.parametrize(
    ("count", "users", "nights"),
    [
        pytest.param(100, 4, 3, id="1,000 events"),
        pytest.param(10_000, 20, 10, id="100,000 events", marks=pytest.mark.soak),
    ],
)
def test_disorder_and_repetition_come_to_what_was_true(tmp_path: Path, count: int, users: int, nights: int) -> None:
    """Ten copies shuffled, batches after the end, one in a hundred with a wrong key: as in order, and as polled."""
    world, clock, random = World(users=users, nights=nights, now=NOW), StandingClock(NOW), Random(count)  # noqa: S311
    events = events_of(world, count)
    sent = [(body, user_in(body), KEY) for body in events for _ in range(COPIES)]
    random.shuffle(sent)
    wrong = set(random.sample(range(len(sent)), len(sent) // 100))
    sent = [(body, user, "wrong" if place in wrong else key) for place, (body, user, key) in enumerate(sent)]
    with new_home(tmp_path / "home", clock) as home, new_home(tmp_path / "ordered", clock) as ordered:
        follow_everybody(home, world)
        follow_everybody(ordered, world)
        with receiver(home.root) as post:
            for start in range(0, len(sent), len(sent) // 3):
                post_all(post.base_url, sent[start : start + len(sent) // 3])
                take(home)
            ended = post.inbox.outcomes()
            assert post.inbox.backlog(NOW).depth == 0
        assert ended[Outcome.WRONG_KEY] == len(sent) // 100
        assert ended[Outcome.ACCEPTED] == len(events)
        assert ended[Outcome.DUPLICATE] == len(sent) - len(sent) // 100 - len(events)
        assert ended.keys() == {Outcome.WRONG_KEY, Outcome.ACCEPTED, Outcome.DUPLICATE}
        receive(ordered, events)
        take(ordered)
        drain(home)
        drain(ordered)
        assert tables(home) == tables(ordered)
        assert live_in(home) == live_in(ordered)
        assert {live.session_id for live in live_in(home)} & {
            d.document.document_id for d in kept(home, SESSION)
        } == set()
        assert live_in(home)
        with running(world) as base_url, new_home(tmp_path / "polled", clock) as polled:
            follow_everybody(polled, world)
            first = min(day.document.date for day in kept(home, SESSION))
            Puller(polled, base_url).pull(first, NOW.date())
            drain(polled)
            assert tables(home, "reason") == tables(polled, "reason")


def picture(home: Home, world: World) -> list[Any]:
    """Everything that is to be the same whether or not a run was killed."""
    user_ids = [user.user_id for user in world.users()]
    with closing(Inbox(home.root / FILE_NAME)) as inbox, home.state.read() as connection:
        dirty = {asset: sorted(partitions) for asset, partitions in list_dirty(connection).items()}
        done = {each.id for each in inbox.listed(Status.DONE)}
    documents = [(each.document, each.revision) for each in kept(home, SESSION)]
    return [documents, ledger_of(home, *user_ids), dirty, done, live_in(home)]


def take_and_die(root: Path, clock: StandingClock, place: str) -> None:
    """Take an inbox in, in a process of its own that is killed at a failpoint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.environ["NIGHTSHIFT_FAILPOINT"] = place
            take(Home(root, clock=clock))
        finally:
            os._exit(1)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == -signal.SIGKILL, "it came to the place where it dies"


def test_a_run_killed_anywhere_is_simply_run_again(tmp_path: Path) -> None:
    """Between any two writes: then everything that was acknowledged is there, once, as if nothing had happened."""
    world, clock = World(users=3, nights=2, now=NOW), StandingClock(NOW)
    events = events_of(world, 60)
    sessions = [event for body in events if isinstance(event := webhook_event(body), SessionComplete)]
    with new_home(tmp_path / "received", clock) as home:
        follow_everybody(home, world)
        receive(home, events)
    shutil.copytree(tmp_path / "received", tmp_path / "undisturbed")
    undisturbed = Home(tmp_path / "undisturbed", clock=clock)
    take(undisturbed)
    truth = picture(undisturbed, world)
    undisturbed.state.close()
    assert (len(truth[0]), len(truth[3])) == (len(sessions), len(events))
    for place in PLACES:
        root = tmp_path / place.replace(":", "-")
        shutil.copytree(tmp_path / "received", root)
        take_and_die(root, clock, place)
        clock.advance(hours=1)
        home = Home(root, clock=clock)
        assert take(home).dead_letters == 0
        assert picture(home, world) == truth, place
        home.state.close()
        clock.now = NOW
