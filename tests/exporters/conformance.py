"""What every exporter must do, whatever it exports to: a suite to be run for each.

An exporter is tested as an ``ExporterUnderTest``; a test file derives a class from ``ExporterConformance`` whose
fixture ``exporter`` gives one with an empty home and an empty destination.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pytest

THREE = {"ann/1": 100, "ann/2": 200, "bob/1": 300}
"""Nights as ``person/number``, and the minutes slept that they tell of."""


@dataclass(frozen=True)
class Held:
    """What a destination holds of a night: versions there were, minutes it tells of (None: nothing any more)."""

    versions: int
    says: int | None


class ExporterUnderTest(Protocol):
    """An exporter with a home and a destination, as the suite needs it."""

    crash_points: Sequence[str]
    """Where an export can be killed, in the order in which it comes there; it comes to each at every export."""

    def want(self, nights: Mapping[str, int]) -> None:
        """Have the home want exactly these nights; one that was there and is not any more was deleted at its source."""

    def move(self, night: str, partitions: int, says: int) -> None:
        """Have a night stand so many partitions later and tell of other minutes; the one it has left still has it."""

    def settle(self) -> None:
        """Have the partitions that nights have left built again, without them."""

    def export(self) -> int:
        """Export everything; how many resources were written."""

    def export_at_once(self, count: int) -> None:
        """Export everything in so many processes at the same time; all must end well."""

    def crash(self, point: str) -> None:
        """Export in a process that is killed at a crash point."""

    def held(self) -> dict[str, Held]:
        """What the destination holds of each night that was ever wanted, found by what identifies it there.

        Fails the test when it holds a night twice. Nights that it never heard of are left out.
        """

    def versions(self) -> dict[str, int]:
        """How many versions there were of all that the destination holds for good, by a name of its own."""

    def reject(self, night: str) -> None:
        """Have the destination refuse a night from now on, with words that quote it."""

    def accept(self) -> None:
        """Have the destination refuse nothing any more."""

    def quarantined(self) -> list[str]:
        """All that quarantine says, one text an entry."""

    def secrets(self) -> list[str]:
        """What no text may hold: user ids, session ids, what destinations quote."""


class ExporterConformance:
    """The suite."""

    @pytest.fixture
    def exporter(self) -> ExporterUnderTest:
        """An exporter with an empty home and an empty destination."""
        raise NotImplementedError

    def test_a_first_export_brings_everything_once(self, exporter: ExporterUnderTest) -> None:
        """Every night is there in its first version, and nothing has a second one."""
        exporter.want(THREE)
        assert exporter.export() > 0
        assert exporter.held() == {night: Held(1, says) for night, says in THREE.items()}
        assert set(exporter.versions().values()) == {1}

    def test_a_repeated_export_writes_nothing(self, exporter: ExporterUnderTest) -> None:
        """Neither when nothing happened nor when the same was built again."""
        exporter.want(THREE)
        exporter.export()
        before = exporter.versions()
        assert exporter.export() == 0
        exporter.want(THREE)
        assert exporter.export() == 0
        assert exporter.versions() == before

    def test_a_change_writes_what_changed_and_nothing_else(self, exporter: ExporterUnderTest) -> None:
        """The night gets its second version; a new one its first; of nothing else is there a new version."""
        exporter.want(THREE)
        exporter.export()
        before = exporter.versions()
        exporter.want({**THREE, "ann/2": 201, "bob/2": 400})
        exporter.export()
        first = {night: Held(1, says) for night, says in THREE.items()}
        assert exporter.held() == {**first, "ann/2": Held(2, 201), "bob/2": Held(1, 400)}
        after = exporter.versions()
        written = sum(after.values()) - sum(before.values())
        exporter.want({**THREE, "ann/2": 202, "bob/2": 400})
        exporter.export()
        assert sum(exporter.versions().values()) - sum(after.values()) < written

    def test_a_deletion_follows(self, exporter: ExporterUnderTest) -> None:
        """The night says nothing any more, in one new version; the others are as they were; it is told once."""
        exporter.want(THREE)
        exporter.export()
        exporter.want({night: says for night, says in THREE.items() if night != "ann/1"})
        exporter.export()
        left = {"ann/1": Held(2, None), "ann/2": Held(1, 200), "bob/1": Held(1, 300)}
        assert exporter.held() == left
        assert exporter.export() == 0
        exporter.want({**THREE, "ann/1": 111})
        exporter.export()
        assert exporter.held() == {**left, "ann/1": Held(3, 111)}

    def test_what_was_deleted_before_it_was_sent_is_never_sent(self, exporter: ExporterUnderTest) -> None:
        """The destination does not hear of an error that it was never told; killed exports before may have told it."""
        told = {"bob/1": Held(1, 300)}
        exporter.want({"bob/1": 300})
        exporter.export()
        for number, point in enumerate(exporter.crash_points, 2):
            exporter.want({"bob/1": 300, f"bob/{number}": 100})
            exporter.crash(point)
            told |= {night: Held(2, None) for night in exporter.held() if night not in told}
            before = exporter.versions()
            exporter.want({"bob/1": 300})
            exporter.export()
            assert exporter.held() == told, point
            assert exporter.versions().keys() == before.keys(), point
        before = exporter.versions()
        exporter.want({"bob/1": 300, "bob/99": 100})
        exporter.want({"bob/1": 300})
        assert exporter.export() == 0
        assert exporter.versions() == before

    def test_a_crash_at_each_point_resumes_exactly(self, exporter: ExporterUnderTest) -> None:
        """Whatever was under way, the next export ends with one version for each thing that was to be said."""
        for round, point in enumerate(exporter.crash_points, 1):
            nights = {night: says + round for night, says in THREE.items()}
            exporter.want(nights)
            exporter.crash(point)
            exporter.export()
            assert exporter.held() == {night: Held(round, says) for night, says in nights.items()}, point
            assert exporter.export() == 0

    def test_a_change_after_a_crash_ends_with_the_newest(self, exporter: ExporterUnderTest) -> None:
        """What was under way may have arrived or not: the night says the newest, and is there once."""
        for round, point in enumerate(exporter.crash_points):
            before = exporter.held().get("bob/1", Held(0, None)).versions
            exporter.want({"bob/1": 300 + 2 * round})
            exporter.crash(point)
            exporter.want({"bob/1": 301 + 2 * round})
            exporter.export()
            held = exporter.held()["bob/1"]
            assert held.says == 301 + 2 * round
            assert held.versions - before in (1, 2), point
            assert exporter.export() == 0

    def test_a_rejected_night_does_not_stop_the_rest(self, exporter: ExporterUnderTest) -> None:
        """The others arrive; it is in quarantine, with codes and no names, until it is accepted in another version."""
        exporter.want(THREE)
        exporter.reject("ann/1")
        exporter.export()
        others = {"ann/2": Held(1, 200), "bob/1": Held(1, 300)}
        assert exporter.held() == others
        (text,) = exporter.quarantined()
        assert not [secret for secret in exporter.secrets() if secret in text]
        assert exporter.export() == 0
        assert exporter.quarantined() == [text]
        exporter.accept()
        exporter.want({**THREE, "ann/1": 101})
        exporter.export()
        assert exporter.held() == {**others, "ann/1": Held(1, 101)}
        assert exporter.quarantined() == []

    def test_a_night_in_another_partition_is_not_doubled(self, exporter: ExporterUnderTest) -> None:
        """It is the same night, in one new version, whichever partition is exported first and however often."""
        exporter.want(THREE)
        exporter.export()
        exporter.move("ann/2", -10, 222)
        exporter.move("bob/1", 10, 333)
        exporter.export()
        exporter.export()
        assert {held.versions for held in exporter.held().values()} <= {1, 2}
        exporter.settle()
        exporter.export()
        assert exporter.held() == {"ann/1": Held(1, 100), "ann/2": Held(2, 222), "bob/1": Held(2, 333)}
        assert exporter.export() == 0

    def test_exports_at_once_do_not_double(self, exporter: ExporterUnderTest) -> None:
        """Two processes begin at the same time, and everything is there once."""
        exporter.want(THREE)
        exporter.export_at_once(2)
        assert exporter.held() == {night: Held(1, says) for night, says in THREE.items()}
        assert set(exporter.versions().values()) == {1}
        assert exporter.export() == 0
