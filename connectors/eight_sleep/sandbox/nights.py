"""Which stays there are: invented or true ones up to now, and what was done to them behind the client's back."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.eight_sleep.sandbox import inventing
from connectors.eight_sleep.sandbox.noise import Truth, seen_by_bed
from connectors.eight_sleep.sandbox.stays import EPOCH_S, Stay, Stretch

_DAY = timedelta(days=1)
_NOON = timedelta(hours=12)


@dataclass
class _Changes:
    """What was done to one sleeper's stays, by their ids."""

    added: list[Stay] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    skipped: set[date] = field(default_factory=set)
    editions: dict[str, int] = field(default_factory=dict)
    shifts: dict[str, int] = field(default_factory=dict)
    shown_from: dict[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """A stay as the vendor tells it: ``stay`` as far as it is known, the ``whole`` of it, and when it was updated."""

    stay: Stay
    whole: Stay
    is_final: bool
    updated_at: datetime


class Nights:
    """The stays of one sleeper, number ``number`` of the world, since the evening ``first``.

    A stay is known from its first half minute on; ``analysis`` after its end it is final.
    """

    def __init__(
        self, seed: int, number: int, user_id: str, zone: str, first: date, analysis: timedelta, truth: Truth | None
    ) -> None:
        self.zone = zone
        self.first = first
        self._seed = seed
        self._number = number
        self._user_id = user_id
        self._analysis = analysis
        self._truth = truth
        self._changes = _Changes()
        self._invented: dict[date, list[Stay]] = {}

    def told(self, now: datetime) -> list[Told]:
        """Every stay the vendor tells of at ``now``, oldest first."""
        return [self._told_of(stay, now) for stay in self._of_evenings(None, now) if self._is_told(stay, now)]

    def find(self, stay_id: str, now: datetime) -> Told | None:
        """The stay of this id, if the vendor tells of it."""
        return next((told for told in self.told(now) if told.whole.id == stay_id), None)

    def is_in_bed(self, now: datetime) -> bool:
        """Whether the sleeper lies in bed, whatever the vendor tells of the stay."""
        return any(stay.is_in_bed(now) for stay in self._of_evenings(now - 2 * _DAY, now))

    def add(self, start: datetime, stages: tuple[Stretch, ...]) -> Stay:
        """One more stay.

        Raises:
            ValueError: another one is in the way.
        """
        stay = self._stay(start, stages)
        if any(stay.overlaps(other) for other in self._of_evenings(start - 2 * _DAY, stay.end + _DAY)):
            raise ValueError("Somebody lies there already at that time.")
        self._changes.added.append(stay)
        return stay

    def delete(self, stay_id: str) -> None:
        """Forget a stay for ever."""
        self._changes.deleted.add(stay_id)

    def skip(self, evening: date) -> None:
        """Nobody slept there from noon of that day to the next noon."""
        self._changes.skipped.add(evening)

    def analyse_again(self, stay_id: str, now: datetime) -> None:
        """Give a stay other stages and scores within its bounds.

        Raises:
            ValueError: there is no such stay, it is not final, or it has no sleep.
        """
        told = self.find(stay_id, now)
        if told is None or not told.is_final:
            raise ValueError("Only a stay that is final can be analysed again.")
        stay = told.whole
        inventing.analysed_again(self._seed, self._user_id, stay.start, stay.stages, stay.edition + 1)
        self._changes.editions[stay_id] = stay.edition + 1

    def change_score(self, stay_id: str, by: int) -> None:
        """Let the score of the stay's night be another one, with all else as it was."""
        self._changes.shifts[stay_id] = self._changes.shifts.get(stay_id, 0) + by

    def hold_back(self, stay_id: str, until: datetime) -> None:
        """Tell of the stay only from then on, as a bed without network would."""
        self._changes.shown_from[stay_id] = until

    def _is_told(self, stay: Stay, now: datetime) -> bool:
        begins = max(stay.start + timedelta(seconds=EPOCH_S), self._changes.shown_from.get(stay.id, stay.start))
        return begins <= now

    def _told_of(self, stay: Stay, now: datetime) -> Told:
        final_at = stay.end + self._analysis
        updated_at = min(now, final_at + timedelta(hours=stay.edition))
        return Told(stay.known_at(now), stay, now >= final_at, updated_at)

    def _of_evenings(self, earliest: datetime | None, latest: datetime) -> list[Stay]:
        """The stays of these evenings, oldest first, with all that was done to them."""
        first = self.first if earliest is None else max(self.first, self._evening(earliest))
        stays = [stay for evening in _days(first, self._evening(latest)) for stay in self._planned(evening)]
        stays = [stay for stay in stays + self._changes.added if stay.id not in self._changes.deleted]
        return sorted(map(self._changed, stays), key=lambda stay: stay.start)

    def _planned(self, evening: date) -> list[Stay]:
        if evening in self._changes.skipped:
            return []
        nights = self._truth(self._user_id, evening) if self._truth else None
        if nights is not None:
            return [
                replace(self._stay(*seen_by_bed(self._seed, self._user_id, night)), zone=night.zone) for night in nights
            ]
        if evening not in self._invented:
            planned = inventing.evening_and_night(self._seed, self._user_id, self.zone, evening)
            self._invented[evening] = [self._stay(start, stages) for start, stages in planned]
        return self._invented[evening]

    def _changed(self, stay: Stay) -> Stay:
        shift = self._changes.shifts.get(stay.id, 0)
        stages = stay.stages
        edition = self._changes.editions.get(stay.id, 0)
        for number in range(1, edition + 1):
            stages = inventing.analysed_again(self._seed, self._user_id, stay.start, stages, number)
        return replace(stay, stages=stages, edition=edition, score_shift=shift) if edition or shift else stay

    def _stay(self, start: datetime, stages: tuple[Stretch, ...]) -> Stay:
        # Stays begin on half minutes: so no two of a world with up to thirty sleepers have the same id.
        stay_id = str(int(start.timestamp()) + self._number % EPOCH_S)
        return Stay(stay_id, self._user_id, start, self.zone, stages)

    def _evening(self, moment: datetime) -> date:
        return (moment.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None) - _NOON).date()


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY
