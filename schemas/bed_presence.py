"""From polls of one side of a bed to the stays on it that they saw. Pure.

A poll knows who was there at its moment and nothing else. Two polls near each other bound a stay between them; what was
in a longer gap nobody knows, so that a stay ends before it and another may begin after it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST_GAP = timedelta(minutes=10)
"""The longest time between two polls over which somebody who was there at both is taken to have stayed."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of a side; ``presence`` is None where it knew nothing, ``user_id`` whose side it is, if known."""

    time: datetime
    presence: bool | None
    user_id: str | None = None

    def __repr__(self) -> str:
        return "Poll(…)"


@dataclass(slots=True)
class Stay:
    """An unbroken stay as ``polls`` polls saw it.

    ``start`` is the first poll that saw somebody, ``end`` the first that saw nobody or somebody else; where
    ``ends_unseen`` there was none near, and it is the last one that saw somebody. ``starts_unseen``: no poll near
    before it had seen the side without them.
    """

    user_id: str | None
    start: datetime
    end: datetime
    starts_unseen: bool
    ends_unseen: bool = True
    polls: int = 1

    def __repr__(self) -> str:
        return "Stay(…)"


def stays(polls: Iterable[Poll]) -> Iterator[Stay]:
    """The stays that polls of one side saw, in order; polls come in any order, and no two at one moment."""
    stay: Stay | None = None
    before: datetime | None = None
    for poll in sorted((poll for poll in polls if poll.presence is not None), key=lambda poll: poll.time):
        near = before is not None and poll.time - before <= LONGEST_GAP
        if stay and not near:
            yield stay
            stay = None
        if stay and (not poll.presence or poll.user_id != stay.user_id):
            stay.end, stay.ends_unseen = poll.time, False
            yield stay
            stay = None
        if poll.presence and stay is None:
            stay = Stay(poll.user_id, poll.time, poll.time, starts_unseen=not near)
        elif stay:
            stay.end, stay.polls = poll.time, stay.polls + 1
        before = poll.time
    if stay:
        yield stay
