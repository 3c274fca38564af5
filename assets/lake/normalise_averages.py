"""From an average-stats document to its row in the lake: clock times, averages, which sessions they are over.

Nothing is read or written here. The rules are those of ``schemas.quirks``; averages may have parts of a second.
"""

from collections.abc import Sequence
from datetime import date, time
from typing import Any

import msgspec

from assets.sources.decoding import Decoded, Refused, day
from assets.sources.source import with_efficiencies
from schemas.asleep import AverageStats, ListedSession
from schemas.metrics import AVERAGED_METRICS
from schemas.nights import is_iana_zone
from schemas.quirks import HIGHEST, UNREADABLE_VALUE, Notes, mean_cycle, possible

_AVERAGES = "$.result.average_stats"


def normalise_average_stats(decoded: Decoded[AverageStats], org_id: str, roster_zone: str) -> dict[str, Any]:
    """Make the row of ``average_stats``; averages are null when no session had sleep, agreement is not known yet.

    What a tolerant rule had to read is added to ``decoded.notes``. Raises: Refused.
    """
    stats, document, notes = decoded.content, decoded.current.document, decoded.notes
    averages: dict[str, Any] = msgspec.to_builtins(stats.average_stats) if stats.average_stats else {}
    zone = stats.period.timezone if is_iana_zone(stats.period.timezone or "") else roster_zone
    return {
        "org_id": org_id,
        "source": document.source,
        "user_id": document.user_id,
        "period_start": _period_start(stats, document.date),
        "period_end": day(stats.period.end_date, "$.result.period.end_date"),
        "timezone": zone,
        "bedtime": _clock(averages.get("start_time"), f"{_AVERAGES}.start_time", notes),
        "sleep_onset": _clock(averages.get("sleep_time"), f"{_AVERAGES}.sleep_time", notes),
        "final_wake": _clock(averages.get("wake_time"), f"{_AVERAGES}.wake_time", notes),
        "out_of_bed": _clock(averages.get("end_time"), f"{_AVERAGES}.end_time", notes),
        **_metrics(averages, notes),
        "slept_sessions": _count(stats.slept_sessions),
        "never_slept_sessions": _count(stats.never_slept_sessions),
        "slept_session_ids": _ids(stats.slept_sessions),
        "provider_agreement": None,
        "provider_differences": None,
    }


def _metrics(averages: dict[str, Any], notes: Notes) -> dict[str, Any]:
    averages["sleep_cycle"], averages["sleep_cycle_count"] = mean_cycle(
        averages.get("sleep_cycle"), averages.get("sleep_cycle_count"), f"{_AVERAGES}.sleep_cycle", notes
    )
    return with_efficiencies(
        {
            metric.name: possible(
                averages.get(metric.asleep_field or ""),
                HIGHEST[metric.unit],
                f"{_AVERAGES}.{metric.asleep_field}",
                notes,
            )
            for metric in AVERAGED_METRICS
        }
    )


def _period_start(stats: AverageStats, month: date) -> date:
    start = day(stats.period.start_date, "$.result.period.start_date")
    if start != month:
        raise Refused(
            "period_moved", "$.result.period.start_date", "The averages are of another period than was asked for."
        )
    return start


def _count(sessions: Sequence[ListedSession] | None) -> int | None:
    return len(sessions) if sessions is not None else None


def _ids(sessions: Sequence[ListedSession] | None) -> list[str | None] | None:
    return [listed.id or listed.session_id for listed in sessions] if sessions is not None else None


def _clock(text: str | None, path: str, notes: Notes) -> time | None:
    try:
        clock = time.fromisoformat(text) if text is not None else None
    except ValueError:
        clock = None
    if text is not None and (clock is None or clock.tzinfo is not None):
        notes.add(UNREADABLE_VALUE, path)
        return None
    return clock
