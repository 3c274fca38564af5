"""What ``/health`` and ``/metrics`` answer over HTTP, for a home as it is."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.asleep.webhooks.inbox import Outcome, Status
from connectors.call_tally import CallTally
from tests.connectors.asleep.webhooks.posting import NOW, PULLED, Post, event, receiver, well


def samples(post: Post) -> dict[str, float]:
    """Every sample of ``/metrics`` that is ours, by name and labels."""
    answer = post.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.text)
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("nightshift_")
    }


def test_a_home_that_is_well_says_so(tmp_path: Path) -> None:
    """200, four findings, and their figures."""
    with well(tmp_path) as post:
        post(event())
        answer = post.client.get("/health")
    told = answer.json()
    assert answer.status_code == 200
    assert told.pop("fine") is True
    assert {what: finding["fine"] for what, finding in told.items()} == dict.fromkeys(
        ("state", "disk", "inbox", "last_run"), True
    )
    assert all(finding["words"].endswith(".") for finding in told.values())
    assert (told["inbox"]["depth"], told["inbox"]["oldest_age_s"]) == (1, 0)
    assert (told["last_run"]["at"], told["last_run"]["age_s"]) == ("2026-10-27T04:00:00+00:00", 5 * 3_600)
    assert told["disk"]["free_bytes"] > 0


def test_a_home_without_a_run_is_not_well(post: Post) -> None:
    """503, and what is fine stays fine; the webhook takes events all the same."""
    answer = post.client.get("/health")
    told = answer.json()
    assert (answer.status_code, told.pop("fine")) == (503, False)
    assert [what for what, finding in told.items() if not finding["fine"]] == ["state", "last_run"]
    assert post(event()).status_code == 200


def test_health_goes_on_while_the_inbox_is_held(tmp_path: Path) -> None:
    """Who asks waits for nobody who writes."""
    with well(tmp_path, busy_s=0.05) as post:
        with closing(sqlite3.connect(tmp_path / "inbox.db", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert post(event()).status_code == 503
            assert post.client.get("/health").status_code == 200
        assert samples(post)["nightshift_webhook_requests_total not_committed"] == 1


def test_requests_are_counted_by_how_they_ended(tmp_path: Path) -> None:
    """Every outcome from the start, and only those; the time to the commit for what was kept."""
    with well(tmp_path) as post:
        nothing = samples(post)
        for body in (event(1), event(2), event(1), {}, b"no json"):
            post(body)
        post(event(), key="wrong")
        post(event(), "somebody else")
        told = samples(post)
    name = "nightshift_webhook_requests_total"
    assert {key for key in nothing if key.startswith(name)} == {f"{name} {outcome}" for outcome in Outcome}
    counts = {key.removeprefix(f"{name} "): told[key] - nothing[key] for key in nothing if key.startswith(name)}
    assert {outcome: count for outcome, count in counts.items() if count} == {
        "accepted": 2,
        "duplicate": 1,
        "dead_letter": 1,
        "not_json": 1,
        "wrong_key": 1,
        "other_user": 1,
    }
    assert told["nightshift_webhook_commit_seconds_count"] == 4
    assert told["nightshift_webhook_commit_seconds_bucket +Inf"] == 4


def test_the_home_is_measured(tmp_path: Path) -> None:
    """Depth and age of the inbox, the time to the taking in, sessions by verdict, room, the last run, the findings."""
    asyncio.run(CallTally(tmp_path / "locks" / "asleep.calls").add({("list", "200"): 7, ("detail", "429"): 1}))
    with well(tmp_path) as post:
        samples(post)
        for number in range(3):
            post(event(number))
        first, *_ = post.inbox.events_after(0, 10)
        post.inbox.mark([first.id], Status.DONE, NOW + timedelta(seconds=45))
        told = samples(post)
    assert told["nightshift_inbox_depth"] == 2
    assert told["nightshift_inbox_oldest_age_seconds"] == 0
    assert told["nightshift_webhook_processing_seconds_count"] == 1
    assert told["nightshift_webhook_processing_seconds_sum"] == 45
    assert [told[f"nightshift_sessions {verdict}"] for verdict in ("complete", "pending", "deleted")] == [2, 1, 1]
    assert [told[f"nightshift_api_calls_total {call}"] for call in ("list 200", "detail 429")] == [7, 1]
    assert told["nightshift_disk_free_bytes"] > 0
    assert told["nightshift_last_complete_pull_timestamp_seconds"] == PULLED.timestamp()
    assert [told[f"nightshift_fine {what}"] for what in ("state", "disk", "inbox", "last_run")] == [1] * 4


def test_what_cannot_be_seen_is_left_out(tmp_path: Path) -> None:
    """No figure is made up for a state that is broken: its finding is 0, and requests are counted as ever."""
    (tmp_path / "state.db").write_bytes(b"no database" * 1_000)
    with receiver(tmp_path) as post:
        post(event())
        told = samples(post)
    assert told["nightshift_fine state"] == 0
    assert told["nightshift_inbox_depth"] == 1
    assert told["nightshift_webhook_requests_total accepted"] == 1
    assert not [name for name in told if name.startswith(("nightshift_sessions", "nightshift_last"))]


@pytest.mark.parametrize("path", ["/health", "/metrics", "/openapi.json", "/live", "/ready"])
def test_watching_is_asking_only(shared: Post, path: str) -> None:
    """405 for whoever posts there, with what is allowed."""
    answer = shared.client.post(path, content=b"{}")
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})
