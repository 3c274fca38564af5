"""Running sessions: batches are put together by epoch, whatever the order, number and time of their arrival."""

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
from connectors.asleep.webhooks.live_sessions import LiveBatch, LiveSession, SessionKey

NOW = datetime(2026, 10, 27, 1, 0, tzinfo=UTC)
KEY = SessionKey("asleep", "canary-user", "20261027000000_canary")

codes = st.lists(st.sampled_from([-1, 0, 1, 2, 3, 9, None, 1.5]), min_size=1, max_size=40)


def batch(
    number: int, sleep: Sequence[float | None], key: SessionKey = KEY, **more: Sequence[float | None]
) -> LiveBatch:
    """A batch of sleep stages that end with it, received so many minutes after the start."""
    first = max(0, (number + 1) * 10 - len(sleep))
    breath, snoring = (list(more[name]) if name in more else None for name in ("breath", "snoring"))
    return LiveBatch(key, NOW + timedelta(minutes=5 * number), number, first, list(sleep), breath, snoring)


def settled(*transactions: Sequence[LiveBatch], ended: Sequence[SessionKey] = ()) -> list[LiveSession]:
    """What runs after these batches, each sequence of them in a transaction of its own."""
    with TemporaryDirectory() as folder, closing(Inbox(Path(folder) / FILE_NAME)) as inbox:
        for live in transactions:
            inbox.settle([], NOW, live)
        inbox.settle([], NOW, ended=ended)
        return inbox.live_sessions()


def test_batches_overlap_and_the_later_one_counts() -> None:
    """Forty values of batch 3, then forty of batch 4, which says other things of the thirty that they share."""
    (session,) = settled([batch(3, [1] * 40)], [batch(4, [2] * 40)])
    assert session.sleep_stages == [1] * 10 + [2] * 40
    assert session.breath_stages == session.snoring_stages == [-1] * 50
    assert (session.epoch_s, session.epochs, session.batches) == (30, 50, 2)
    assert session.first_received_at == NOW + timedelta(minutes=15)
    assert session.last_received_at == NOW + timedelta(minutes=20)
    assert session.key == KEY


def test_what_nobody_told_is_not_known() -> None:
    """A gap is -1, and so is a code that is not documented; an array that a batch does not have says nothing."""
    told = batch(0, [0, 1, 2, 3, 9, -1, None, 1, 1, 1], breath=[0, 1, 2, 0, 0, 0, 0, 0, 0, 0])
    (session,) = settled([told, batch(2, [3] * 10)])
    assert session.sleep_stages == [0, 1, 2, 3, -1, -1, -1, 1, 1, 1, *[-1] * 10, *[3] * 10]
    assert session.breath_stages == [0, 1, -1, 0, 0, 0, 0, 0, 0, 0, *[-1] * 20]


@given(st.data())
@settings(max_examples=60)
def test_any_order_and_repetition_comes_to_the_same(data: st.DataObject) -> None:
    """Shuffled, doubled and cut into transactions anywhere: the same session."""
    batches = data.draw(st.lists(st.builds(batch, st.integers(0, 30), codes), min_size=1, max_size=8))
    (in_order,) = settled(batches)
    shuffled = data.draw(st.permutations([*batches, *data.draw(st.lists(st.sampled_from(batches), max_size=4))]))
    cut = data.draw(st.integers(0, len(shuffled)))
    assert settled(shuffled[:cut], shuffled[cut:]) == [in_order]
    newest: dict[int, int] = {}
    for each in sorted(batches, key=lambda each: each.number):
        newest |= {each.first_epoch + place: each.number for place in range(len(each.sleep_stages or ()))}
    assert in_order.epochs == max(newest) + 1
    assert [code == -1 for epoch, code in enumerate(in_order.sleep_stages) if epoch not in newest] == [True] * (
        in_order.epochs - len(newest)
    )


def test_sessions_are_apart_and_end_alone() -> None:
    """What ends is gone, what goes on stays."""
    other = KEY._replace(user_id="another-user")
    live = [batch(3, [1] * 40), batch(3, [2] * 40, other)]
    assert [session.key for session in settled(live)] == [other, KEY]
    assert [session.key for session in settled(live, ended=[KEY, KEY._replace(session_id="none")])] == [other]


def test_a_session_is_silent_once_nothing_comes(tmp_path: Path) -> None:
    """By the time of its last batch."""
    with closing(Inbox(tmp_path / FILE_NAME)) as inbox:
        inbox.settle([], NOW, [batch(3, [1] * 40)])
        last = NOW + timedelta(minutes=15)
        assert inbox.silent_sessions(last) == []
        assert inbox.silent_sessions(last + timedelta(seconds=1)) == [KEY]
