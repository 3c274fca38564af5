"""The mark of a session that came by webhook, of which no list row was ever seen.

It is made of what a row says as well, so that the first row that says the same is taken for the one that is known, and
the pull that sees it need not ask for the session.
"""

from typing import Any

from schemas.asleep import Session, SessionRow
from schemas.canonical import row_hash

_OF_EVENT = "webhook:"


def event_mark(session: Session, *, has_figures: bool) -> str:
    """The mark of a session in its event: its state, start and end, and whether figures came with it."""
    return _mark(session.state, session.start_time, session.end_time, has_figures)


def figures_of_event(mark: str, row: SessionRow) -> bool | None:
    """Whether figures came with the event of this mark; None if the row does not agree with it, or it is of a row."""
    for has_figures in (True, False):
        if mark == _mark(row.state, row.session_start_time, row.session_end_time, has_figures):
            return has_figures
    return None


def _mark(state: str, start: str, end: str | None, has_figures: bool) -> str:
    told: dict[str, Any] = {"state": state, "start": start, "end": end, "has_figures": has_figures}
    return _OF_EVENT + row_hash(told)
