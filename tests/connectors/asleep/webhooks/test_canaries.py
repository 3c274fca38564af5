"""Nobody is told of anybody: what the receiver writes or answers holds no id, key, stage or text from outside.

Only the table of events may hold them: it is what the tables are made from.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.connectors.asleep.webhooks.posting import KEY, NEXT_KEY, SESSION, USER, Post, event, head, well

CANARY = "canary"
STAGE = 918_273
CANARIES = (CANARY, USER, KEY, NEXT_KEY, event()["data"]["session"]["id"], str(STAGE))
ASKED = ("/live", "/ready", "/health", "/metrics", "/openapi.json", f"/{CANARY}", f"/health?{CANARY}")


def bodies() -> list[Any]:
    """Events of every fate: kept, kept again, without sense, undocumented, of another user, not JSON."""
    inference = {
        "event": "INFERENCE_COMPLETE",
        "data": {
            "user_id": USER,
            "session_id": SESSION,
            "seq_num": 39,
            "inference_seq_num": 3,
            "sleep_stages": [STAGE] * 40,
        },
    }
    return [
        event(),
        event(),
        event(sleep_stages=[STAGE]),
        inference,
        event(session=CANARY),
        event(session={"id": SESSION, "state": CANARY, "start_time": STAGE}),
        {"event": CANARY, "data": {"user_id": USER, "session_id": SESSION, CANARY: [STAGE]}},
        {"event": "SESSION_COMPLETE", "version": CANARY, "data": {"user_id": USER}},
        {"event": "SESSION_COMPLETE", "data": {"user_id": CANARY, "session": {"id": SESSION}}},
        CANARY.encode(),
        b'{"%b": %d' % (CANARY.encode(), STAGE),
        b'"\\ud800 %b"' % CANARY.encode(),
        b" " * 17_000_000 + CANARY.encode(),
    ]


def knock(post: Post) -> list[httpx.Response]:
    """Post in every way that has an answer of its own, and ask everything that can be asked."""
    answers = [post(body) for body in bodies()]
    answers += [post(event(), CANARY), post(event(), None), post(event(), key=CANARY), post(event(), key=None)]
    answers += [post(event(), **{"content-encoding": CANARY}), post(event(), **{CANARY: CANARY * 6_000})]
    answers += [post.client.get(f"/asleep-webhook{rest}") for rest in ("", f"?{CANARY}", f"/{CANARY}")]
    answers += [post.client.request(CANARY, path) for path in ("/health", "/asleep-webhook")]
    return answers + [post.client.get(path) for path in ASKED]


def test_nobody_is_told_of_anybody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """In answers, metrics, health, log, output, names of files, and every table of the inbox but that of events."""
    with well(tmp_path, busy_s=0.05) as post:
        answers = knock(post)
        with closing(sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            answers += [post(event(9)), *knock(post)]
        (tmp_path / "state.db").write_bytes(CANARY.encode() * 10_000)
        answers += [post.client.get(path) for path in ASKED]
        told = [f"{answer.status_code} {answer.reason_phrase} {answer.headers} {answer.text}" for answer in answers]
        told += [
            post.raw(sent).decode()
            for sent in (f"{CANARY}\r\n\r\n".encode(), head(2, **{CANARY: CANARY}).replace(b":", b""), head(-5))
        ]
    assert {answer.status_code for answer in answers} == {200, 400, 401, 404, 405, 413, 415, 503}
    told += [path.name for path in tmp_path.iterdir()]
    told.append((tmp_path / "nightshift.jsonl").read_text())
    told += tables(tmp_path / "inbox.db")
    told += capfd.readouterr()
    canaries = (*CANARIES, str(tmp_path))
    assert not [text for text in told for canary in canaries if canary.lower() in text.lower()]


def tables(file: Path) -> list[str]:
    """Every row of every table but ``events``; that one has to hold what was sent."""
    with closing(sqlite3.connect(file)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}  # noqa: S608
    assert json.dumps(rows.pop("events"), default=repr).count(SESSION) > 0
    assert len(rows["attempts"]) > 30
    return [repr(row) for table in rows.values() for row in table]
