"""What of the resources wanted is news to a FHIR server, by what the outbox says that it was sent."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from assets.exports.fhir_files import Wanted
from assets.exports.fhir_report import ExportReport
from connectors.state.outbox import Sent, members_of, sent_about, sent_by_name

RETIRED = "retired"
"""``sent_hash`` of what is not wanted any more, once the server was told that it was an error."""

Verdict = Literal["news", "unchanged", "never_sent", "refused", "erased"]


@dataclass(slots=True)
class Known:
    """What the outbox knows of the resources of a partition at one destination.

    ``rows`` are by name; ``strays`` are members that the server may still have and their nights have no more;
    ``erased`` are patients of whom nothing is sent any more. ``absent`` are resources that the server neither has nor
    is going to get, filled as they are found; ``refused`` those that it has refused before.
    """

    rows: dict[str, Sent]
    strays: list[Sent]
    erased: Set[str]
    absent: set[str] = field(default_factory=set)
    refused: list[Sent] = field(default_factory=list)

    def keeps(self, name: str) -> bool:
        """Whether the server has some version of a resource."""
        row = self.rows.get(name)
        return row is not None and row.sent_hash is not None


def known_of(
    state: sa.Connection, destination: str, wanted: Mapping[str, Wanted], erased: Set[str] = frozenset()
) -> Known:
    """What the outbox knows of the resources of one partition; ``erased`` are patients erased under another name."""
    patients = sent_by_name(state, destination, {one.patient for one in wanted.values() if one.patient})
    members = members_of(state, destination, wanted)
    return Known(
        sent_by_name(state, destination, wanted),
        [row for row in members if row.name not in wanted and _is_to_retire(row)],
        erased | {name for name, row in patients.items() if row.erased},
    )


def left_behind(state: sa.Connection, destination: str, patient: str) -> list[Sent]:
    """What the server may still have of a person under a name that is not theirs any more."""
    return [row for row in sent_about(state, destination, patient) if _is_to_retire(row)]


def news(wanted: Mapping[str, Wanted], known: Known, report: ExportReport) -> Iterator[Wanted]:
    """What is to be sent, nights after their members; everything else is counted.

    A night names only members that the server has or may get: one that it refused, or was never sent, would have the
    night refused too.
    """
    for entry in wanted.values():
        report.wanted += 1
        one = entry.without_members(known.absent)
        verdict = _verdict(one, known)
        if verdict == "news":
            yield one
            continue
        setattr(report, verdict, getattr(report, verdict) + 1)
        if verdict == "refused":
            known.refused.append(known.rows[one.name])
        if verdict != "unchanged" and not known.keeps(one.name):
            known.absent.add(one.name)


def _verdict(one: Wanted, known: Known) -> Verdict:
    row = known.rows.get(one.name)
    if one.patient in known.erased or (row is not None and row.erased):
        return "erased"
    if row is None:
        return "never_sent" if one.entered_in_error else "news"
    if one.entered_in_error and not _may_be_there(row):
        return "unchanged" if row.sent_hash else "never_sent"
    if row.refused_hash == one.content_hash:
        return "refused"
    return "unchanged" if row.sent_hash == one.content_hash and row.sending_hash is None else "news"


def _is_to_retire(row: Sent) -> bool:
    return not row.erased and _may_be_there(row)


def _may_be_there(row: Sent) -> bool:
    """Whether the server has it, or may have it, as something that counts."""
    return row.sending_hash is not None or row.sent_hash not in (None, RETIRED)
