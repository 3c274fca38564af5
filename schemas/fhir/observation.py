"""What all Observations have in common: how they begin, components, reasons for an absent value.

Which components a table's row gives is said in the table's own module.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from schemas.asleep import ASLEEP
from schemas.fhir.codes import ABSENT, ACTIVITY, Resource
from schemas.fhir.context import FhirContext
from schemas.fhir.pseudonyms import PERSON, Kind
from schemas.fhir.times import instant, period

Status = Literal["preliminary", "final", "amended", "corrected", "entered-in-error"]
"""The values of FHIR's observation-status that Nightshift may write."""

AbsentReason = Literal["unknown", "not-applicable"]


def beginning(
    context: FhirContext, kind: Kind, row: Mapping[str, Any], id: str, code: Resource, status: Status
) -> Resource:
    """Identity, status, category, code, subject and device of an Observation about a row of any table."""
    return {
        **context.identity(kind, row["org_id"], row["source"], id),
        "status": status,
        "category": [ACTIVITY],
        "code": code,
        "subject": context.reference("patient", row["org_id"], PERSON, row["user_id"]),
        "device": context.device_reference(row["source"]),
    }


def session_beginning(
    context: FhirContext, kind: Kind, session: Mapping[str, Any], code: Resource, status: Status
) -> Resource:
    """``beginning`` and the times of an Observation about a row of ``sleep_sessions``.

    ``issued`` is the time at which this version was first fetched: the vendor does not say when its analysis ended,
    and a time of our own run would change the bytes at every rerun.
    """
    return {
        **beginning(context, kind, session, session_name(session), code, status),
        **_times(session["start_time"], session["end_time"], session["timezone"], session["fetched_at"]),
    }


def session_name(session: Mapping[str, Any]) -> str:
    """What the pseudonyms of a session are made of. Only Asleep's ids are of one user; a bed's may be of two."""
    session_id: str = session["session_id"]
    return session_id if session["source"] == ASLEEP else f"{session['user_id']}/{session_id}"


@lru_cache(maxsize=4)
def _times(start: datetime, end: datetime, timezone: str, fetched_at: datetime) -> Resource:
    """The times of a night, remembered for its hypnogram; UTC, as all in the lake, so that equal ones are the same."""
    return {"effectivePeriod": period(start, end, timezone), "issued": instant(fetched_at)}


def absent(reason: AbsentReason) -> Resource:
    """What stands in the place of a value that is not there."""
    return {"dataAbsentReason": ABSENT[reason]}
