"""Bodies that mean harm: never a 5xx, and the receiver goes on; what is JSON is kept to the byte."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from shutil import rmtree

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.asleep.webhooks.inbox import Inbox, Outcome
from tests.connectors.asleep.webhooks.hostile import EVENT, FAMILIES, INFERENCE, send
from tests.connectors.asleep.webhooks.posting import USER, Post, event
from tests.system.test_serve import Served, serving

VALID = st.sampled_from([EVENT, INFERENCE])
NUMBERS = [b"1e999", b"-1e999", b"9" * 6000, b"-0", b"1e-999", b"NaN", b"Infinity", b"0x10", b"01", b"1." + b"0" * 6000]
TEXTS = [b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\u0000"', b'"\x00"', b'"' + b"x" * 9000]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """An event with some bytes replaced, put in or taken out."""
    body = bytearray(draw(VALID))
    for _ in range(draw(st.integers(1, 4))):
        place, length = draw(st.integers(0, len(body))), draw(st.integers(0, 3))
        body[place : place + length] = draw(st.binary(max_size=3))
    return bytes(body)


@st.composite
def with_value(draw: st.DrawFn) -> bytes:
    """An event one of whose values is another: of the wrong type, a huge number, a text that is none."""
    body = draw(VALID)
    olds = [b'"V3"', b"[1, 1", b"39", b": 3,", b'"s_1"', b"3600", b'"COMPLETE"', b'"SESSION_COMPLETE"', b'{"id"']
    old = draw(st.sampled_from([old for old in olds if old in body]))
    new = draw(st.sampled_from([*NUMBERS, *TEXTS]) | st.sampled_from([b"null", b"[]", b"{}", b'""', b"true"]))
    return body.replace(old, b": " + new + b"," if old.startswith(b":") else new, 1)


@st.composite
def nested(draw: st.DrawFn) -> bytes:
    """Lists and objects in each other, closed or not, alone or inside an event."""
    depth, opening, closing = draw(st.integers(1, 30_000)), *draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
    deep = opening * depth + (b"0" + closing * depth if draw(st.booleans()) else b"")
    return draw(st.sampled_from([deep, EVENT.replace(b"3600", deep), b'{"data":' + deep + b"}"]))


@st.composite
def twice(draw: st.DrawFn) -> bytes:
    """An event in which a name is there twice."""
    name = draw(st.sampled_from(["event", "version", "data", "callback_data", "user_id", "session_id"]))
    value = draw(st.sampled_from(["null", "1", '"V3"', json.dumps(USER), "{}", '{"user_id": "x"}', "[]"]))
    return draw(VALID)[:-1] + f", {json.dumps(name)}: {value}}}".encode()


HOSTILE = st.one_of(
    mutated(),
    with_value(),
    nested(),
    twice(),
    st.tuples(VALID, st.integers(0, len(EVENT))).map(lambda cut: cut[0][: cut[1]]),
    st.binary(max_size=300),
    st.sampled_from([*NUMBERS, *TEXTS]),
    st.sampled_from(["utf-16", "utf-32", "utf-8-sig"]).map(lambda encoding: EVENT.decode().encode(encoding)),
)
FATES = {200: {Outcome.ACCEPTED, Outcome.DEAD_LETTER, Outcome.DUPLICATE}, 400: {Outcome.NOT_JSON, Outcome.OTHER_USER}}


@given(bodies=st.lists(HOSTILE, min_size=1, max_size=10))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_is_answered_with_a_failure(shared: Post, bodies: list[bytes]) -> None:
    """200 or 400 for each; the audit has one line more for each, with an outcome that fits."""
    before = tally(shared)
    answers = [shared(body).status_code for body in bodies]
    after = tally(shared)
    assert set(answers) <= FATES.keys()
    assert {status: after[status] - before[status] for status in FATES} == {
        status: answers.count(status) for status in FATES
    }


@example(b'{"data":{"stat":1e310')
@given(body=HOSTILE)
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_what_is_no_json_is_refused_as_such(shared: Post, body: bytes) -> None:
    """By Python's reckoning; whatever was accepted is known when it comes again."""
    before = shared.inbox.outcomes()
    accepted = shared(body).status_code == 200
    between = shared.inbox.outcomes()
    refused = between.get(Outcome.NOT_JSON, 0) > before.get(Outcome.NOT_JSON, 0)
    assert read(body) in (None, REFUSED if refused else ACCEPTED)
    assert shared(body).status_code == (200 if accepted else 400)
    assert shared.inbox.outcomes().get(Outcome.DUPLICATE, 0) == between.get(Outcome.DUPLICATE, 0) + accepted


ACCEPTED, REFUSED = "accepted", "refused"


def read(body: bytes) -> str | None:
    """Whether Python takes it for JSON; None where it gives up."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        json.loads(body.decode(), parse_constant=refuse, parse_int=float)
    except RecursionError:
        return None
    except ValueError:
        return REFUSED
    return ACCEPTED


def tally(post: Post) -> dict[int, int]:
    """How many attempts the audit has for each answer."""
    outcomes = post.inbox.outcomes()
    return {status: sum(outcomes.get(outcome, 0) for outcome in fates) for status, fates in FATES.items()}


ANSWERS = {
    "mutated": {200, 400},
    "truncated": {400},
    "nested": {200, 400},
    "huge_numbers": {200, 400},
    "not_numbers": {400},
    "surrogates": {200, 400},
    "twice": {200, 400},
    "bombs": {400, 415},
    "fifty_mb": {413},
    "wrong_types": {200, 400},
}


def test_thousands_of_hostile_requests_are_answered(tmp_path: Path) -> None:
    """Ten families, with what is right for each; the receiver's process stays as small as it was, and well."""
    withstands(tmp_path / "home", 8_000)


@pytest.mark.soak
def test_a_million_hostile_requests_are_answered(tmp_path: Path) -> None:
    """The same, and others."""
    withstands(tmp_path / "home", 1_000_000)
    rmtree(tmp_path / "home")  # half a gigabyte


def withstands(root: Path, count: int) -> None:
    """Send so many to a receiver in a process of its own."""
    with serving(root) as served:
        assert served.post(event(2)) == 200
        assert served.ask("/health").json()["disk"]["free_bytes"] > 0
        url, before = httpx.URL(served.url), served.most_memory_mib()
        answers = send((url.host, url.port or 80), count)
        assert served.post(event(3)) == 200
        grown = served.most_memory_mib() - before
        ended = counted(served)
        served.process.terminate()
        out, err = served.process.communicate(timeout=120)
    assert (served.process.returncode, out, err) == (0, "", "")
    assert {family: set(statuses) for family, statuses in answers.items()} == ANSWERS
    assert {statuses.total() for statuses in answers.values()} == {count // len(FAMILIES)}
    assert grown < 50
    with closing(Inbox(root / "inbox.db")) as inbox:
        audit = Counter(inbox.outcomes())
    with closing(sqlite3.connect(root / "inbox.db")) as connection:
        good = [(event(number)["data"]["session"]["id"], json.dumps(event(number)).encode()) for number in (2, 3)]
        query = "SELECT session_id, body FROM events WHERE session_id IN (?, ?) AND status = 'new' ORDER BY id"
        assert connection.execute(query, [session for session, _ in good]).fetchall() == good
    assert audit.total() == count + 2
    assert ended == audit
    assert not list((root / "logs").iterdir())


def counted(served: Served) -> Counter[str]:
    """How requests ended, by ``/metrics``."""
    text = served.ask("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("nightshift_webhook_requests_total{")]
    return Counter({line.split('"')[1]: int(float(line.split()[-1])) for line in lines})
