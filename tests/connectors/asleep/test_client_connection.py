"""The connection: what it opens keeps one budget and one breaker a home, and is as patient as it is told."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.asleep.connection import AsleepConnection
from connectors.call_tally import read_tally
from connectors.errors import HostUnreachable, ServerFailed, VendorDown, VendorError
from connectors.patience import BreakerTimes, Patience, Retry
from tests.connectors.loopback import CLOSED, Loopback, Sent, answer

HASTY = Patience(Retry(base_s=0, jitter_s=0), breaker=BreakerTimes(cool_s=0.001, longest_cool_s=0.001, down_s=0.01))


def connection(base_url: str, folder: Path, **settings: object) -> AsleepConnection:
    """An account of a home in ``folder``."""
    return AsleepConnection(
        base_url,
        "the-key",
        requests_per_second=100_000,
        concurrency=8,
        budget_file=folder / "locks" / "asleep.budget",
        clock=lambda: datetime(2026, 3, 1, tzinfo=UTC),
        **settings,  # type: ignore[arg-type]
    )


def outcomes_of(users: int, sent: Sent, folder: Path, patience: Patience) -> tuple[list[object], int]:
    """What became of the calls for so many users, made at once, and the requests the server saw."""

    async def main() -> tuple[list[object], int]:
        async with Loopback(lambda _: sent) as server:
            async with connection(server.url, folder, patience=patience).open() as client:
                calls = (client.get_user(f"u{number}") for number in range(users))
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
            return list(outcomes), len(server.seen)

    return asyncio.run(main())


def test_the_patience_of_every_run() -> None:
    """Five failures, eight refusals, 30 s for an answer, ten calls, two minutes down, half a call a second."""
    patience = connection("http://asleep.test", Path("unused")).patience
    assert (patience.retry, patience.answer_s) == (Retry(5, 8, 1.0, 60.0, 1.0), 30.0)
    assert patience.breaker == BreakerTimes(10, 5.0, 60.0, 120.0)
    assert (patience.lowest_per_second, patience.refused_s) == (0.5, 600.0)


def test_an_outage_ends_the_run_in_one_sentence(tmp_path: Path) -> None:
    """A vendor that fails every call is given up, through the real breaker with short times."""
    outcomes, seen = outcomes_of(200, answer(503, {}), tmp_path, HASTY)
    stopped = [outcome for outcome in outcomes if isinstance(outcome, VendorDown)]
    assert stopped
    assert all(isinstance(outcome, VendorDown | ServerFailed) for outcome in outcomes)
    assert str(stopped[0]).startswith("Asleep has failed 10 calls in a row and for 0 s: the run stopped")
    assert seen < 200


def test_how_calls_were_answered_is_added_up(tmp_path: Path) -> None:
    """Over all clients of the home, retries included, by endpoint and status; also where nobody answered."""
    twice = replace(HASTY, retry=replace(HASTY.retry, attempts=2))
    for sent in (answer(200, {"detail": "ok", "result": {"user_id": "u"}}), answer(404, {"detail": "User not found"})):
        outcomes_of(3, sent, tmp_path, twice)
    outcomes_of(1, answer(500), tmp_path, twice)
    outcomes_of(1, CLOSED, tmp_path, twice)
    assert read_tally(tmp_path / "locks" / "asleep.calls") == {
        ("user", "200"): 3,
        ("user", "404"): 3,
        ("user", "500"): 2,
        ("user", "no_answer"): 2,
    }


def test_the_breaker_lies_beside_the_budget_and_is_shared(tmp_path: Path) -> None:
    """Five users fail in one run and five in the next: the tenth call opens the breaker."""
    patience = Patience(Retry(attempts=1), breaker=BreakerTimes(cool_s=0.001, longest_cool_s=0.001, down_s=0))
    first, _ = outcomes_of(5, answer(500), tmp_path, patience)
    assert {type(outcome) for outcome in first} == {ServerFailed}
    assert {path.name for path in (tmp_path / "locks").iterdir()} == {"asleep.budget", "asleep.breaker", "asleep.calls"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "locks").iterdir())

    async def main() -> list[type[BaseException]]:
        kinds: list[type[BaseException]] = []
        async with (
            Loopback(lambda _: answer(500)) as server,
            connection(server.url, tmp_path, patience=patience).open() as client,
        ):
            for number in range(5, 12):
                with pytest.raises(VendorError) as caught:
                    await client.get_user(f"u{number}")
                kinds.append(caught.type)
        return kinds

    assert asyncio.run(main()) == [ServerFailed] * 5 + [VendorDown] * 2


def test_a_stalled_answer_is_waited_for_as_long_as_told(tmp_path: Path) -> None:
    """A server that promises a body and never sends it: the attempt ends after ``answer_s``."""
    stall = Sent(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    patience = Patience(Retry(attempts=2, base_s=0, jitter_s=0), answer_s=0.05)
    [outcome], seen = outcomes_of(1, stall, tmp_path, patience)
    assert isinstance(outcome, HostUnreachable)
    assert "after 2 attempts (timed out)" in str(outcome)
    assert seen == 2
