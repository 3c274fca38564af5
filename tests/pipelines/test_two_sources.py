"""Commands that show one session or one user, where a person has a phone and a bed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.builds import mark_bed_days_dirty, mark_days_dirty
from connectors.errors import WrongUsage
from connectors.state.ledger import LedgerSession, put_sessions, sessions_of
from pipelines.command.main import app
from schemas.asleep import ASLEEP
from schemas.documents import SESSION
from schemas.eight_sleep import EIGHT_SLEEP
from schemas.tables import SLEEP_SESSIONS
from tests.assets.draining import drain
from tests.pipelines.household import Household, household


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    """Four nights of a person with phone and bed and of the partner, one bed session bearing the phone session's id."""
    with household(tmp_path_factory.mktemp("both") / "home") as people, pytest.MonkeyPatch.context() as patch:
        people.pull()
        rename_a_bed_session(people)
        patch.setenv("NIGHTSHIFT_HOME", str(people.home.root))
        yield people


def known(people: Household, source: str) -> list[LedgerSession]:
    """The sessions of the person with both, oldest first."""
    with people.home.state.read() as connection:
        return sorted(sessions_of(connection, source, [people.both])[people.both], key=lambda seen: seen.partition)


def rename_a_bed_session(people: Household) -> None:
    """What no simulator does: give a session of the bed the id of one of the phone's, in raw, ledger and lake."""
    phone, bed = known(people, ASLEEP)[0], known(people, EIGHT_SLEEP)[0]
    documents = (one.document for one in people.home.raw.current(EIGHT_SLEEP, SESSION, bed.partition))
    document = next(one for one in documents if (one.user_id, one.document_id) == (bed.user_id, bed.session_id))
    body = document.body.replace(bed.session_id.encode(), phone.session_id.encode())
    people.home.raw.append([replace(document, document_id=phone.session_id, body=body, content_hash="another")])
    with people.home.state.write() as connection:
        put_sessions(connection, [replace(bed, session_id=phone.session_id, content_hash="another")])
        mark_days_dirty(connection, [bed.partition.isoformat()])
        mark_bed_days_dirty(connection, [bed.partition.isoformat()])
    drain(people.home)


def run(*words: str) -> str:
    """What a command prints."""
    return CliRunner().invoke(app, list(words), catch_exceptions=False).stdout


def lines_of(told: str, source: str) -> dict[str, dict[str, Any]]:
    """The lines of an explanation by one source, by column."""
    return {line["column"]: line for line in json.loads(told) if line["source"] == source and line["column"]}


def test_an_id_of_two_sources_is_explained_by_both(people: Household) -> None:
    """Each from its own answer; with --source only that one; the page has a table of each."""
    shared = known(people, ASLEEP)[0].session_id
    told = run("explain", shared, "--json")
    phone, bed = lines_of(told, ASLEEP), lines_of(told, EIGHT_SLEEP)
    assert phone["total_sleep_time_s"]["sent_as"] == "result.stat.time_in_sleep"
    assert bed["total_sleep_time_s"]["sent_as"] == "stageSummary.sleepDuration"
    for lines in (phone, bed):
        assert lines["total_sleep_time_s"]["sent"] == lines["total_sleep_time_s"]["kept"] > 0
        assert lines.keys() >= set(SLEEP_SESSIONS.schema.names)
    assert {line["source"] for line in json.loads(run("explain", shared, "--source", ASLEEP, "--json"))} == {ASLEEP}
    table = run("explain", shared)
    assert [line.strip() for line in table.splitlines() if line.startswith("As told by")] == [
        "As told by asleep",
        "As told by eight_sleep",
    ]


def test_everything_a_bed_sends_is_accounted_for(people: Household) -> None:
    """Every field is in a column, in rows of bed_samples, or said to be kept in raw only; none is left without rule."""
    session = known(people, EIGHT_SLEEP)[-1]
    lines = json.loads(run("explain", session.session_id, "--source", EIGHT_SLEEP, "--json"))
    by_field = {line["sent_as"]: line for line in lines if line["sent_as"]}
    assert by_field["timeseries.heartRate"]["lost"] == "rows of bed_samples: heart_rate_bpm"
    assert by_field["stageSummary.outDuration"]["lost"] == "kept in raw only"
    assert by_field["ts"]["column"] == "start_time"
    assert all(line["column"] or line["lost"] for line in lines)
    assert all(line["kept"] is None for line in lines if line["column"] in ("breath_stages", "sleep_index"))


def test_the_history_of_an_id_of_two_sources(people: Household) -> None:
    """Both, each said which; with --source one; an unknown source is refused."""
    shared = known(people, ASLEEP)[0].session_id
    shown = run("history", shared, "--user", people.both).splitlines()
    assert [line for line in shown if line.startswith(shared)] == [
        f"{shared} of {people.both}, {source}" for source in (ASLEEP, EIGHT_SLEEP)
    ]
    found = json.loads(run("history", shared, "--user", people.both, "--source", EIGHT_SLEEP, "--json"))["sessions"]
    assert [session["source"] for session in found] == [EIGHT_SLEEP]
    for command in (["history", shared, "--user", people.both], ["explain", shared]):
        refused = CliRunner().invoke(app, [*command, "--source", "canary"])
        assert isinstance(refused.exception, WrongUsage)
        assert "canary" not in str(refused.exception)


def test_the_partner_has_a_calendar_and_is_listed(people: Household) -> None:
    """Who is followed by the bed alone has nights as everybody else; the roster says both sources of who has both."""
    (partner,) = (user.user_id for user in people.sleepers if user.user_id != people.both)
    nights = json.loads(run("nights", partner, "--from", "2026-10-28", "--json"))["nights"]
    assert {night["source"] for night in nights} == {EIGHT_SLEEP}
    assert sum(night["verdict"] == "complete" for night in nights) >= 3
    listed = [line.split()[:2] for line in run("users", "list").splitlines() if line.strip()]
    assert [row for row in listed if row[0] == people.both] == [[people.both, ASLEEP], [people.both, EIGHT_SLEEP]]
