"""What the pipeline has to know of a source, whichever it is, and what a session is once a source has read it.

A source is a folder of ``connectors``, a payload schema in ``schemas`` and one call of ``SleepSource`` in a file here.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from assets.sources.decoding import Decoded, Refused
from connectors.answer import Answer
from connectors.lake.raw import CurrentDocument
from schemas.agreement import Agreement
from schemas.hypnogram_statistics import HypnogramStatistics
from schemas.nights import local_date, night_of, utc_date


@dataclass(frozen=True, slots=True)
class Head:
    """What a pull has to know of a session's document, as far as it can be read whatever else is odd in it.

    Times are as sent. ``complete`` says that the vendor has ended and analysed it, ``has_figures`` that it was analysed
    well enough for statistics over it.
    """

    session_id: str
    start_time: str
    end_time: str | None
    complete: bool
    has_figures: bool

    def __repr__(self) -> str:
        return f"Head(complete={self.complete})"


@dataclass(frozen=True, slots=True)
class Stages:
    """The arrays of a session in lake codes, a byte an epoch, and which plan they are of."""

    has_stages: str
    sleep: "array[int] | None"
    breath: "array[int] | None"
    snoring: "array[int] | None"


@dataclass(frozen=True, slots=True)
class RecordedSession:
    """A complete session that the lake has: when it was (UTC), its stages, and the typed document they are from."""

    decoded: Decoded[Any]
    start: datetime
    end: datetime
    stages: Stages

    @property
    def ids(self) -> dict[str, Any]:
        """The columns that name a session in every table."""
        document = self.decoded.current.document
        return {"source": document.source, "user_id": document.user_id, "session_id": document.document_id}


@dataclass(frozen=True, slots=True)
class SleepSession:
    """A complete session: its row of ``sleep_sessions`` and its stages in lake codes."""

    row: dict[str, Any]
    stages: Stages
    unknown_epochs: int


@dataclass(frozen=True)
class SleepSource:
    """A source: the readers of its session documents. All of them are pure.

    ``head`` and ``session_hash`` are for pulls, which keep what they cannot read: ``head`` gives None for a document
    without a readable session, ``session_hash`` (SHA-256 of the canonical content, without transport) any body's.
    ``decode`` and ``record`` refuse (``Refused``) what cannot become a row, ``figures`` makes the row of
    ``sleep_sessions`` from a recorded session, the organisation and the roster's zone, and refuses nothing.
    ``violations`` names the identities of the vendor's own figures that a document breaks.
    """

    name: str
    head: Callable[[Answer[Any]], Head | None]
    session_hash: Callable[[bytes], str]
    decode: Callable[[CurrentDocument], Decoded[Any]]
    is_complete: Callable[[Decoded[Any]], bool]
    record: Callable[[Decoded[Any]], RecordedSession]
    figures: Callable[[RecordedSession, str, str], SleepSession]
    violations: Callable[[Any], Iterable[str]]

    def normalise(self, decoded: Decoded[Any], org_id: str, roster_zone: str) -> SleepSession:
        """The lake's record of a complete session, if it has one. Raises: Refused."""
        return self.figures(self.record(decoded), org_id, roster_zone)


def sleep_session(
    recorded: RecordedSession,
    org_id: str,
    zone: str,
    metrics: dict[str, Any],
    slept: tuple[datetime | None, datetime | None],
    counted: HypnogramStatistics | None,
    agreement: Agreement | None,
    *,
    created_timezone: str | None,
    unexpected_end_time: datetime | None = None,
    peculiarities: Sequence[str] = (),
    missing_data_ratio: float | None = None,
) -> SleepSession:
    """The row of ``sleep_sessions``; ``slept`` is sleep onset and final wake, of which a night without sleep has none.

    ``zone`` decides the local dates, ``counted`` is what the stages say by themselves, ``agreement`` how the vendor's
    figures compare with it.
    """
    current = recorded.decoded.current
    onset, final_wake = (None, None) if metrics["total_sleep_time_s"] == 0 else slept
    row = {
        "org_id": org_id,
        **recorded.ids,
        "start_time": recorded.start,
        "end_time": recorded.end,
        "sleep_onset": onset,
        "final_wake": final_wake,
        "unexpected_end_time": unexpected_end_time,
        "created_timezone": created_timezone,
        "timezone": zone,
        "night_of": night_of(recorded.start, zone),
        "wake_date": local_date(final_wake or recorded.end, zone),
        "peculiarities": list(peculiarities),
        "missing_data_ratio": missing_data_ratio,
        "has_stages": recorded.stages.has_stages,
        "revision": current.revision,
        "content_hash": current.document.content_hash,
        "fetched_at": current.fetched_at,
        **metrics,
        "provider_agreement": agreement.verdict if agreement else None,
        "provider_differences": agreement.differing if agreement else None,
    }
    return SleepSession(row, recorded.stages, counted.unknown_epochs if counted else 0)


def share(part_s: float | None, whole_s: float | None) -> float | None:
    """A part of a whole, null when either is unknown or the whole is nothing."""
    return part_s / whole_s if part_s is not None and whole_s else None


def with_efficiencies(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics with both efficiencies computed from seconds, whatever scale the vendor's own are in."""
    asleep_s = metrics["total_sleep_time_s"]
    metrics["sleep_efficiency"] = share(asleep_s, metrics["time_in_bed_s"])
    metrics["sleep_maintenance_efficiency"] = share(asleep_s, metrics["sleep_period_s"])
    return metrics


def check_identity(session_id: str, asked_for: str, path: str) -> None:
    """See that a document is of the session that was asked for. Raises: Refused."""
    if session_id != asked_for:
        raise Refused("other_session", path, "The document is of another session than asked for.")


def check_order(start: datetime, end: datetime, partition: date, start_path: str, end_path: str) -> None:
    """See that a session ends after it starts, on the date it was listed under. Raises: Refused."""
    if end < start:
        raise Refused("times_reversed", end_path, "The session ends before it starts.")
    if utc_date(start) != partition:
        raise Refused(
            "start_moved",
            start_path,
            "The session starts on another UTC date than the one it was listed under.",
        )
