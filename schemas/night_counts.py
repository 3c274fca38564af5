"""Nights counted: how many user-nights have which verdict, what share is accounted for, and a bar for each night.

Counts only, so that they may be shown to anybody.
"""

from collections.abc import Iterator, Mapping

from schemas.night_verdicts import COMPLETE, OPEN_VERDICTS

BAR = 20
"""Characters of a full bar."""

FULL, ACCOUNTED, OPEN = "█", "▒", "·"


def completeness(counts: Mapping[str, int]) -> float | None:
    """The share of a night's user-nights that are accounted for; None if nobody's was expected.

    Accounted for is every verdict but not checked, provider error and quarantined.
    """
    total = sum(counts.values())
    return (total - _open(counts)) / total if total else None


def percent(share: float) -> str:
    """A share as whole percent, rounded down, so that only what is whole is called 100 %."""
    return f"{int(share * 100 + 1e-9)} %"


def bars(nights: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A line a night with expected user-nights: complete, otherwise accounted for, open; then the shares in figures."""
    yield f"{FULL} complete   {ACCOUNTED} otherwise accounted for   {OPEN} not checked, failed or in quarantine"
    for night, counts in sorted(nights.items()):
        share = completeness(counts)
        if share is not None:
            total = sum(counts.values())
            yield f"{night} {_bar(counts, total)} {percent(share):>5}  of {total}"


def _bar(counts: Mapping[str, int], total: int) -> str:
    # Whatever is open is seen, however little it is.
    opened = -(-_open(counts) * BAR // total)
    full = min(counts.get(COMPLETE, 0) * BAR // total, BAR - opened)
    return FULL * full + ACCOUNTED * (BAR - opened - full) + OPEN * opened


def _open(counts: Mapping[str, int]) -> int:
    return sum(count for verdict, count in counts.items() if verdict in OPEN_VERDICTS)
