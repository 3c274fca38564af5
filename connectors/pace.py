"""The arithmetic of a vendor's limit: evenly spaced slots, and the pace that refusals have taught. No file, no clock.

Times are wall-clock seconds since the epoch, because several processes share them; 0 means never.
"""

import math
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

WINDOW_S = 10.0
"""The length over which the limit is promised: never more than ``per_second * WINDOW_S`` slots in any such window."""

CREDIT_S = 0.05
"""How late a slot may be used. It pays for sleeps that last too long, so that they cost no capacity."""

MARGIN = 1.02
"""Slots are spaced 2 % wider than the limit: room for ``CREDIT_S`` and for unequal travel times to the vendor."""

AHEAD_S = 1.0
"""How far into the future a slot may be reserved; whatever lies much further ahead was not written by this clock."""

LOWEST_PER_SECOND = 0.5
"""However often the vendor refuses, the pace does not fall below this, or below a limit that is lower still."""

DROP = 0.7
"""After a refusal the pace is this share of the one actually used, but at least half of the one allowed."""

RECOVERY = 0.05
"""Share of the configured limit by which the pace rises in a minute without a refusal ..."""

GROWTH = 1.25
"""... but at most by this factor a minute, so that a pace far below the limit is not overshot at once."""

LONGEST_PAUSE_S = 300.0
"""A vendor's wish for a longer pause is ignored: no run sits still that long for one answer."""

FORGOTTEN_S = 600.0
"""A refusal this long ago says nothing about whether the vendor is still refusing; the pace learnt from it stays."""

_LATE_SLOTS = 8
_LATEST_SPACINGS = 5
_LONGEST_RECOVERY_MIN = 1000.0


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of a home share about one vendor's limit."""

    free_at: float = 0.0
    """The next free slot."""
    taken_at: float = 0.0
    """The last slot taken."""
    spacing_s: float = 0.0
    """Mean seconds between the latest slots; 0 when unknown."""
    learnt: float | None = None
    """Calls per second that were right at ``refused_at``; None when the vendor never refused."""
    refused_at: float = 0.0
    """The last refusal that counted."""
    refusing_since: float = 0.0
    """When the vendor began to refuse; 0 once it has accepted a call again."""
    pause_s: float = 0.0
    """Seconds between two probes while the vendor refuses."""
    paused_until: float = 0.0
    """No slot lies before this."""
    round: int = 0
    """Rises with every refusal that counts and with the first call accepted after it: a refusal of an older slot tells
    nothing about the pace of today."""


@dataclass(frozen=True)
class Slot:
    """Permission for one call at the time ``at``; ``probe`` says that it tries whether the vendor still refuses."""

    at: float
    round: int
    probe: bool


@dataclass(frozen=True)
class Pace:
    """Slots (GCRA) for at most ``limit`` calls a second; raises ``ValueError`` unless that is positive and finite.

    Slots are at least an interval apart and each is used at most ``CREDIT_S`` late, hence at most
    ``ceil((WINDOW_S + CREDIT_S) / interval)`` of them fall into a window, which is within the limit. A call that
    comes later still is paid for with a later slot. A pace that was learnt only ever makes intervals longer.
    """

    limit: float
    lowest: float = LOWEST_PER_SECOND

    def __post_init__(self) -> None:
        """Check both."""
        if not all(math.isfinite(number) and number > 0 for number in (self.limit, self.lowest)):
            raise ValueError("a rate limit must be a positive number of calls per second")

    def per_second(self, budget: Budget, now: float) -> float:
        """Calls per second allowed at ``now``: the limit, or what was learnt and has recovered since."""
        if budget.learnt is None:
            return self.limit
        learnt = self._within(budget.learnt)
        minutes = min(max(0.0, now - budget.refused_at) / 60, _LONGEST_RECOVERY_MIN)
        return self._within(min(learnt + RECOVERY * self.limit * minutes, learnt * GROWTH**minutes))

    def interval_s(self, budget: Budget, now: float) -> float:
        """Seconds between two slots at the pace allowed at ``now``."""
        per_second = self.per_second(budget, now)
        whole_slots = max(1, math.floor(per_second * WINDOW_S))
        return MARGIN * max(1 / per_second, WINDOW_S / whole_slots)

    def possible(self, budget: Budget, now: float) -> Budget:
        """The budget without what cannot be at ``now``: the clock was set back, or the file was damaged."""
        if budget.paused_until > now + LONGEST_PAUSE_S:
            budget = replace(budget, paused_until=0.0)
        if not 0 <= budget.pause_s <= LONGEST_PAUSE_S:
            budget = replace(budget, pause_s=0.0)
        if budget.refused_at > now or budget.refusing_since > now:
            budget = replace(
                budget, refused_at=min(budget.refused_at, now), refusing_since=min(budget.refusing_since, now)
            )
        if not 0 <= budget.free_at <= now + AHEAD_S + _LATE_SLOTS * self._gap_s(budget, now):
            budget = replace(budget, free_at=now)
        return budget

    def slot(self, budget: Budget, now: float) -> Slot:
        """The first slot that is free at ``now`` or later."""
        at = max(budget.free_at, budget.paused_until, now - CREDIT_S)
        return Slot(at, budget.round, budget.refusing_since > 0)

    def taken(self, budget: Budget, slot: Slot, now: float) -> Budget:
        """The budget once ``slot`` is taken."""
        budget = replace(budget, spacing_s=self._mean_spacing_s(budget, slot, now), taken_at=slot.at)
        return replace(budget, free_at=slot.at + self._gap_s(budget, now))

    def taken_late(self, budget: Budget, slot: Slot, now: float) -> Budget:
        """The budget when the call of ``slot`` leaves only at ``now``, with later slots moved to make room."""
        if budget.taken_at == slot.at:
            at = now - CREDIT_S
            # Moved, not set anew: it may already lie further away, to make room for another call that left late.
            return replace(budget, taken_at=at, free_at=budget.free_at + (at - slot.at))
        # Slots reserved since cannot be moved, so the call takes the place of the first one after them.
        return replace(budget, free_at=budget.free_at + self._gap_s(budget, now))

    def refused(
        self, budget: Budget, slot: Slot, now: float, pauses_s: tuple[float, float], wish_s: float | None
    ) -> Budget:
        """The budget once the vendor has refused the call of ``slot``.

        A vendor that begins to refuse lowers the pace, once; while it goes on refusing, the pause between two probes
        doubles from the first to the second of ``pauses_s``. Its own wish in seconds goes before a pause of ours.
        """
        if slot.round == budget.round:
            goes_on = budget.refusing_since > 0 and now - budget.refused_at <= FORGOTTEN_S
            first_s, longest_s = pauses_s
            doubles = goes_on and wish_s is None
            pause_s = min(longest_s, max(first_s, 2 * budget.pause_s)) if doubles else first_s
            budget = replace(
                budget,
                learnt=budget.learnt if goes_on else self._slower(budget, now),
                refused_at=now,
                refusing_since=budget.refusing_since if goes_on else now,
                pause_s=pause_s,
                paused_until=max(budget.paused_until, now + (pause_s if wish_s is None else 0.0)),
                round=budget.round + 1,
            )
        if wish_s is not None:
            budget = replace(budget, paused_until=max(budget.paused_until, now + min(wish_s, LONGEST_PAUSE_S)))
        return budget

    def accepted(self, budget: Budget, slot: Slot, now: float) -> Budget:
        """The budget once the vendor has accepted the call of ``slot``: it refuses no more."""
        if slot.round != budget.round or not budget.refusing_since:
            return budget
        probing_s = self._gap_s(budget, now)
        budget = replace(budget, refusing_since=0.0, pause_s=0.0, round=budget.round + 1)
        return replace(budget, free_at=budget.free_at - probing_s + self._gap_s(budget, now))

    def _gap_s(self, budget: Budget, now: float) -> float:
        interval_s = self.interval_s(budget, now)
        return max(interval_s, budget.pause_s) if budget.refusing_since else interval_s

    def _mean_spacing_s(self, budget: Budget, slot: Slot, now: float) -> float:
        before_s = budget.spacing_s if budget.spacing_s > 0 else self.interval_s(budget, now)
        spacing_s = slot.at - budget.taken_at
        if slot.probe or not 0 <= spacing_s <= WINDOW_S:
            return before_s  # neither a probe nor a silence tells how fast calls follow each other
        return before_s + (spacing_s - before_s) / _LATEST_SPACINGS

    def _slower(self, budget: Budget, now: float) -> float:
        allowed = self.per_second(budget, now)
        used = min(allowed, 1 / budget.spacing_s) if budget.spacing_s > 0 else allowed
        return self._within(max(DROP * used, allowed / 2))

    def _within(self, per_second: float) -> float:
        return min(self.limit, max(self.lowest, per_second))
