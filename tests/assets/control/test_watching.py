"""Watching beds: a line for every change, through everything that can fail, within the limits, until it is stopped."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from assets.control.watching import Watch, check_pace, watch
from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import KeyRefused, WrongUsage
from tests.connectors.eight_sleep.rig import NOBODY_LISTENS, Rig


@dataclass
class Watched:
    """What a watch said, while a test changes the world between its looks."""

    rig: Rig
    told: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def run(self, *between: Callable[[], None], accounts: Any = None, **options: Any) -> "Watched":
        """Look once more than there are steps; each step is taken between two looks, then Ctrl-C is pressed."""
        steps = iter(between)

        async def sleep(seconds: float) -> None:
            self.rig.clock.forward(seconds)
            step = next(steps, None)
            if step is None:
                raise KeyboardInterrupt
            step()

        chosen = accounts or [self.rig.connection()]
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(Watch(chosen, self.told.append, self.notes.append, **options).run(30, sleep))
        return self

    @property
    def changes(self) -> list[str]:
        """What was told, without times and the bed's name."""
        return [" ".join(line.split()[2:]) for line in self.told]


@pytest.fixture
def watched(rig: Rig) -> Watched:
    """Nobody is in bed."""
    for bed in rig.world.beds():
        for side in bed.sides.values():
            side.presence = False
    return Watched(rig)


def presence(rig: Rig, side: str, value: bool, bed: int = 0) -> Callable[[], None]:
    """A step: somebody goes to bed, or rises."""

    def step() -> None:
        rig.world.beds()[bed].sides[side].presence = value

    return step


def nothing() -> None:
    """A step in which nothing happens."""


def test_every_change_is_told_once_and_per_side(watched: Watched, rig: Rig) -> None:
    """Both ways; what is there at the start is no change."""
    watched.run(
        presence(rig, "left", True), nothing, presence(rig, "right", True), presence(rig, "left", False), nothing
    )
    assert watched.changes == ["left: in bed", "right: in bed", "left: out of bed"]
    assert watched.told[0] == f"2026-03-01T12:00:30Z {rig.world.beds()[0].device_id} left: in bed"
    assert [line.split(" ", 2)[2] for line in watched.notes] == ["left: out of bed", "right: out of bed"]
    assert (rig.calls["devices"], rig.calls["status"]) == (1, 6)


def test_failed_looks_are_told_once_and_survived(watched: Watched, rig: Rig) -> None:
    """Also when it is back; what changed meanwhile is told then."""

    def fail() -> None:
        rig.faults.set(Fault("failed", "status", None))
        rig.world.beds()[0].sides["left"].presence = True

    watched.run(fail, nothing, nothing, rig.faults.set, nothing)
    assert watched.changes == ["left: in bed"]
    failing, back = watched.notes[2:]
    assert "cannot be watched: Eight Sleep still fails after 3 attempts (500)" in failing
    assert back.endswith("is watched again.")


def test_a_bed_that_is_offline_tells_no_change(watched: Watched, rig: Rig) -> None:
    """What is said of it then means nothing."""
    bed = rig.world.beds()[0]
    bed.sides["left"].presence = True

    def online(value: bool) -> Callable[[], None]:
        return lambda: setattr(bed, "online", value)

    watched.run(online(False), nothing, online(True))
    assert watched.changes == []
    assert "A bed is offline" in watched.notes[2]


def test_every_answer_is_kept_also_of_a_bed_that_is_offline(watched: Watched, rig: Rig) -> None:
    """A look that failed has no answer to keep; one that says that the hub is away is an answer."""
    bed = rig.world.beds()[0]
    kept: list[bool] = []

    def unplug() -> None:
        bed.online = False

    def fail() -> None:
        bed.online = True
        rig.faults.set(Fault("forbidden", "status", None))

    watched.run(presence(rig, "left", True), unplug, fail, keep=lambda status: kept.append(status.online))
    assert kept == [True, True, False]


def test_an_unreachable_host_is_asked_again_with_another_client(
    watched: Watched, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before asks no more after it; from the first look on."""
    connection, opened = rig.connection(), []
    unreachable = rig.connection(auth_url=NOBODY_LISTENS, client_url=NOBODY_LISTENS)
    kind = type(connection)

    def open_next(self: Any) -> Any:
        opened.append(self)
        return usual(unreachable if len(opened) < 3 else connection)

    usual = kind.open
    monkeypatch.setattr(kind, "open", open_next)
    watched.run(nothing, nothing, presence(rig, "left", True), accounts=[connection])
    assert len(opened) == 3
    assert watched.changes == ["left: in bed"]
    assert "Eight Sleep cannot be asked: No answer from" in watched.notes[0]
    assert watched.notes[1].endswith("Eight Sleep answers again.")


def test_an_expired_token_is_nothing_to_tell(watched: Watched, rig: Rig) -> None:
    """It is renewed in silence, night after night."""
    watched.run(rig.world.expire_tokens, presence(rig, "right", True), rig.world.expire_tokens, nothing)
    assert watched.changes == ["right: in bed"]
    assert len(watched.notes) == 2


def test_a_refused_login_ends_it(watched: Watched, rig: Rig) -> None:
    """No look will succeed until the settings change."""
    wrong = rig.connection(credentials=Credentials("nobody@example.com", "wrong"))
    with pytest.raises(KeyRefused):
        asyncio.run(Watch([wrong], watched.told.append, watched.notes.append).run(30, rig.clock.sleep))


def test_a_bed_of_two_accounts_is_told_once(watched: Watched, rig: Rig) -> None:
    """And each bed of several; or the one that is named."""
    first, second = rig.world.beds()
    accounts = [
        rig.connection(credentials=Credentials(sleeper.email, sleeper.password))
        for sleeper in (*first.sleepers(), second.sides["left"].sleeper)
    ]
    steps = [presence(rig, "left", True), presence(rig, "left", True, bed=1)]
    watched.run(*steps, accounts=accounts)
    assert [line.split()[1] for line in watched.told] == [first.device_id, second.device_id]
    other = Watched(rig).run(
        presence(rig, "left", False), presence(rig, "left", False, bed=1), accounts=accounts, name=second.device_id
    )
    assert [line.split()[1] for line in other.told] == [second.device_id]


def test_a_bed_that_nobody_has_cannot_be_watched(watched: Watched, rig: Rig) -> None:
    """Told at once."""
    with pytest.raises(WrongUsage, match="No account has such a bed"):
        watch([rig.connection()], watched.told.append, watched.notes.append, every_s=30, name="canary")


@pytest.mark.parametrize(("every_s", "beds"), [(1.9, 1), (3.9, 2), (0, 1), (-1, 1), (float("nan"), 1)])
def test_looks_are_not_asked_for_more_often_than_allowed(every_s: float, beds: int) -> None:
    """Thirty a minute of an account, over all its beds."""
    with pytest.raises(WrongUsage, match="Eight Sleep allows 30 looks a minute"):
        check_pace(every_s, beds)
    check_pace(2.0 * beds, beds)


def test_the_limit_holds_in_the_vendors_count(rig: Rig) -> None:
    """Looked at as often as may be, for four minutes: none is refused."""
    rig.world.share(rig.world.beds()[1], rig.sleeper)

    async def sleep(seconds: float) -> None:
        await rig.clock.sleep(seconds)
        if rig.calls["status"] >= 120:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(Watch([rig.connection()], print, print).run(4, sleep))
    assert rig.limits.most_in_a_window("status") <= 30
    assert rig.limits.refused == 0
