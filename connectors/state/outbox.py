"""The outbox: what each destination was sent, so that what has not changed is never sent again.

A row is a resource at a destination. Its hash goes into ``sending_hash`` before it is sent and into ``sent_hash`` once
the destination has it; a row that still says sending was left by a run that died, and must be looked up there first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from connectors.state.database import upsert
from connectors.state.tables import destinations, exported_partitions, organisations, outbox

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Sent:
    """A resource at a destination, under the pseudonyms it has there.

    ``name`` is ``Type/id``; ``patient`` whom it is about and ``part_of`` the night it belongs to, as such names.
    Hashes are of the resource's JSON: ``sent_hash`` of what the destination has (None: nothing), ``refused_hash`` of
    what it would not take. ``body`` is kept of resources that cannot be made again. ``erased`` is never sent again.
    """

    destination: str
    name: str
    partition: str
    changed_at: datetime
    patient: str | None = None
    part_of: str | None = None
    sent_hash: str | None = None
    sending_hash: str | None = None
    refused_hash: str | None = None
    version: str | None = None
    server_id: str | None = None
    body: bytes | None = field(default=None, repr=False)
    erased: bool = False

    def __repr__(self) -> str:
        return "Sent(…)"


def sent_by_name(connection: sa.Connection, destination: str, names: Iterable[str]) -> dict[str, Sent]:
    """What the destination was sent under these names."""
    return {row.name: row for row in _where_in(connection, destination, outbox.c.name, names)}


def members_of(connection: sa.Connection, destination: str, nights: Iterable[str]) -> list[Sent]:
    """What the destination was sent as part of these nights (names of their session Observations)."""
    return list(_where_in(connection, destination, outbox.c.part_of, nights))


def sent_about(connection: sa.Connection, destination: str, patient: str) -> list[Sent]:
    """Everything the destination was sent about a patient, in the order of the names."""
    return sorted(_where_in(connection, destination, outbox.c.patient, [patient]), key=lambda row: row.name)


def unsent_bodies(connection: sa.Connection, destination: str) -> list[Sent]:
    """The resources kept with their bodies that the destination has not yet, in the order of the names."""
    return list(_bodies(connection, destination, outbox.c.sent_hash.is_(None) & outbox.c.refused_hash.is_(None)))


def refused_bodies(connection: sa.Connection, destination: str) -> list[Sent]:
    """The resources kept with their bodies that the destination would not take, in the order of the names."""
    return list(_bodies(connection, destination, outbox.c.refused_hash.is_not(None)))


def kept_bodies(connection: sa.Connection, destination: str) -> Iterator[Sent]:
    """All resources kept with their bodies, one after the other, in the order of the names."""
    return _bodies(connection, destination, sa.true())


def count_sent(connection: sa.Connection, destination: str) -> int:
    """How many resources the destination has from us."""
    there = (outbox.c.destination == destination) & outbox.c.sent_hash.is_not(None) & ~outbox.c.erased
    return connection.execute(sa.select(sa.func.count()).select_from(outbox).where(there)).scalar_one()


def erased_names(connection: sa.Connection, destination: str) -> frozenset[str]:
    """The names of what is never to be sent again."""
    query = sa.select(outbox.c.name).where(outbox.c.destination == destination, outbox.c.erased)
    return frozenset(connection.execute(query).scalars())


def put_sent(connection: sa.Connection, rows: Iterable[Sent]) -> None:
    """Add rows, or replace what is known of them."""
    upsert(connection, outbox, [{name: getattr(row, name) for name in Sent.__slots__} for row in rows])


def forget_refusals(connection: sa.Connection, destination: str | None = None) -> None:
    """Have everything that was refused sent again, by one destination or all."""
    refused = outbox.c.refused_hash.is_not(None)
    mine = refused if destination is None else refused & (outbox.c.destination == destination)
    marks = exported_partitions.c
    concerned = sa.select(outbox.c.destination, outbox.c.partition).where(mine).distinct()
    for row in connection.execute(concerned).all():
        this = (marks.destination == row.destination) & (marks.partition == row.partition)
        connection.execute(sa.delete(exported_partitions).where(this))
    connection.execute(sa.update(outbox).where(mine).values(refused_hash=None))


def exported_marks(connection: sa.Connection, destination: str) -> dict[str, str]:
    """For each partition, what its files looked like when the destination was sent all of it."""
    query = sa.select(exported_partitions).where(exported_partitions.c.destination == destination)
    return {row.partition: row.mark for row in connection.execute(query)}


def put_exported_mark(connection: sa.Connection, destination: str, partition: str, mark: str) -> None:
    """Note that the destination was sent all of a partition."""
    row = {"destination": destination, "partition": partition, "mark": mark}
    upsert(connection, exported_partitions, [row])


def noted_orgs(connection: sa.Connection) -> frozenset[str]:
    """Every organisation that people were ever given a name of."""
    return frozenset(connection.execute(sa.select(organisations.c.org_id)).scalars())


def note_orgs(connection: sa.Connection, orgs: Iterable[str]) -> None:
    """Remember organisations, so that what is sent under a name of theirs can be found when nobody is theirs."""
    upsert(connection, organisations, [{"org_id": org} for org in orgs])


def write_form_of(connection: sa.Connection, destination: str) -> str | None:
    """How the destination has been written so far; None when it is new."""
    query = sa.select(destinations.c.write_form).where(destinations.c.destination == destination)
    return connection.execute(query).scalar_one_or_none()


def put_write_form(connection: sa.Connection, destination: str, write_form: str) -> None:
    """Remember how the destination is written: never in two ways."""
    upsert(connection, destinations, [{"destination": destination, "write_form": write_form}])


def _bodies(connection: sa.Connection, destination: str, which: sa.ColumnElement[bool]) -> Iterator[Sent]:
    mine = (outbox.c.destination == destination) & outbox.c.body.is_not(None) & ~outbox.c.erased
    for row in connection.execute(sa.select(outbox).where(mine, which).order_by(outbox.c.name)):
        yield Sent(**row._mapping)


def _where_in(
    connection: sa.Connection, destination: str, column: sa.Column[str], values: Iterable[str]
) -> Iterator[Sent]:
    wanted = sorted(set(values))
    for start in range(0, len(wanted), _AT_ONCE):
        part: Sequence[str] = wanted[start : start + _AT_ONCE]
        query = sa.select(outbox).where(outbox.c.destination == destination, column.in_(part))
        for row in connection.execute(query):
            yield Sent(**row._mapping)
