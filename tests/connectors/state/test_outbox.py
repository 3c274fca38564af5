"""The outbox: what was sent is found by name, night and person; refusals are forgotten on request, erasures never."""

from dataclasses import replace
from datetime import UTC, datetime

from connectors.state.database import State
from connectors.state.outbox import (
    Sent,
    count_sent,
    exported_marks,
    forget_refusals,
    kept_bodies,
    members_of,
    note_orgs,
    noted_orgs,
    put_exported_mark,
    put_sent,
    put_write_form,
    refused_bodies,
    sent_about,
    sent_by_name,
    unsent_bodies,
    write_form_of,
)

NOW = datetime(2026, 11, 3, 6, 0, tzinfo=UTC)
DAY = "date=2026-11-01"


def sent(name: str, destination: str = "here", **known: object) -> Sent:
    """A row of a resource at a destination."""
    return replace(Sent(destination, name, DAY, NOW), **known)  # type: ignore[arg-type]


def put(state: State, *rows: Sent) -> None:
    """Have these rows in the outbox."""
    with state.write() as connection:
        put_sent(connection, rows)


def test_what_was_sent_is_found_by_name_at_its_destination(state: State) -> None:
    """However many names are asked for; the same name at another destination is another row."""
    rows = {f"Observation/o{number}": sent(f"Observation/o{number}", sent_hash=f"h{number}") for number in range(1200)}
    put(state, *rows.values(), sent("Observation/o1", "elsewhere", sent_hash="another"))
    with state.read() as connection:
        assert sent_by_name(connection, "here", [*rows, "Observation/nobody"]) == rows
        assert sent_by_name(connection, "elsewhere", rows)["Observation/o1"].sent_hash == "another"
        assert sent_by_name(connection, "here", []) == {}


def test_a_row_is_replaced_as_a_whole(state: State) -> None:
    """Also what is no longer known of it."""
    put(state, sent("Patient/p", sending_hash="h", refused_hash="r", version="3", server_id="s1", body=b"{}"))
    put(state, now := sent("Patient/p", sent_hash="h", changed_at=datetime(2026, 11, 4, tzinfo=UTC)))
    with state.read() as connection:
        assert sent_by_name(connection, "here", ["Patient/p"]) == {"Patient/p": now}


def test_what_belongs_to_a_night_or_a_person_is_found(state: State) -> None:
    """Members by their nights, everything about a person in the order of names."""
    patient = sent("Patient/p", patient="Patient/p")
    session = sent("Observation/s", patient="Patient/p")
    member = sent("Observation/h", patient="Patient/p", part_of="Observation/s")
    put(state, patient, session, member, sent("Observation/x", patient="Patient/q"), replace(member, destination="far"))
    with state.read() as connection:
        assert members_of(connection, "here", ["Observation/s", "Observation/x"]) == [member]
        assert sent_about(connection, "here", "Patient/p") == [member, session, patient]


def test_bodies_wait_until_they_are_sent_refused_or_erased(state: State) -> None:
    """In the order of names; one that is on its way may not have arrived."""
    waiting = sent("Provenance/b", body=b"{}", sending_hash="h")
    new = sent("Provenance/a", body=b"{}")
    there = sent("Provenance/c", body=b"{}", sent_hash="h")
    refused = sent("Provenance/d", body=b"{}", refused_hash="h")
    erased = sent("Provenance/e", body=b"{}", erased=True)
    put(state, waiting, new, there, refused, erased, sent("Observation/o"), sent("Provenance/f", "far", body=b"{}"))
    with state.read() as connection:
        assert unsent_bodies(connection, "here") == [new, waiting]
        assert refused_bodies(connection, "here") == [refused]
        assert list(kept_bodies(connection, "here")) == [new, waiting, there, refused]


def test_only_what_is_there_is_counted(state: State) -> None:
    """Not what is under way, refused or erased."""
    put(
        state,
        sent("Observation/a", sent_hash="h"),
        sent("Observation/b", sent_hash="h", sending_hash="next"),
        sent("Observation/c", sending_hash="h"),
        sent("Observation/d", refused_hash="h"),
        sent("Observation/e", sent_hash="h", erased=True),
        sent("Observation/a", "far", sent_hash="h"),
    )
    with state.read() as connection:
        assert count_sent(connection, "here") == 2


def test_refusals_are_forgotten_with_the_marks_of_their_partitions(state: State) -> None:
    """At one destination or at all; what was accepted is not touched, and other partitions keep their marks."""
    accepted = sent("Observation/a", sent_hash="h")
    put(
        state,
        accepted,
        sent("Observation/b", refused_hash="h", sent_hash="old"),
        sent("Observation/b", "far", refused_hash="h"),
    )

    def marked() -> None:
        with state.write() as connection:
            for destination in ("here", "far"):
                put_exported_mark(connection, destination, DAY, "mark")
                put_exported_mark(connection, destination, "people", "mark")

    marked()
    with state.write() as connection:
        forget_refusals(connection, "here")
    with state.read() as connection:
        rows = sent_by_name(connection, "here", ["Observation/a", "Observation/b"])
        assert rows["Observation/a"] == accepted
        assert (rows["Observation/b"].refused_hash, rows["Observation/b"].sent_hash) == (None, "old")
        assert sent_by_name(connection, "far", ["Observation/b"])["Observation/b"].refused_hash == "h"
        assert exported_marks(connection, "here") == {"people": "mark"}
        assert exported_marks(connection, "far") == {DAY: "mark", "people": "mark"}
    marked()
    with state.write() as connection:
        forget_refusals(connection)
    with state.read() as connection:
        assert sent_by_name(connection, "far", ["Observation/b"])["Observation/b"].refused_hash is None
        assert exported_marks(connection, "far") == {"people": "mark"}


def test_marks_and_write_forms_are_those_of_a_destination(state: State) -> None:
    """The last that was put counts; a new destination has none."""
    with state.write() as connection:
        put_exported_mark(connection, "here", DAY, "first")
        put_exported_mark(connection, "here", DAY, "second")
        put_write_form(connection, "here", "by_id")
    with state.read() as connection:
        assert exported_marks(connection, "here") == {DAY: "second"}
        assert exported_marks(connection, "far") == {}
        assert (write_form_of(connection, "here"), write_form_of(connection, "far")) == ("by_id", None)


def test_an_organisation_is_noted_once_however_often(state: State) -> None:
    """Whether it was there before or is there twice."""
    for orgs in (["clinic", "study"], ["study", "ward"], []):
        with state.write() as connection:
            note_orgs(connection, orgs)
    with state.read() as connection:
        assert noted_orgs(connection) == {"clinic", "study", "ward"}


def test_a_row_shows_nothing(state: State) -> None:
    """Neither whose it is nor what it says, in whatever message it ends up."""
    assert repr(sent("Patient/p1", patient="Patient/p1", body=b"secret")) == "Sent(…)"
