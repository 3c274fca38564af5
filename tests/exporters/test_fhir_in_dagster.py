"""The export to a FHIR server as Dagster runs it: what the sensor asks for, what its runs send, say and keep."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._serdes import serialize_value
from pydantic import SecretStr

from assets.exports.fhir_files import DAYS, MONTHS, partitions, wanted_of
from assets.exports.fhir_server import outdated
from assets.exports.fhir_server_assets import SENT, SENT_NIGHTS, WANTED_IS_ACCEPTED
from assets.fhir.sleep_observations import fhir_context
from connectors.asleep.sandbox import World, running
from connectors.errors import KeyRefused
from connectors.fhir_server.auth import BearerToken
from connectors.fhir_server.connection import FhirConnection
from connectors.fhir_server.sandbox import World as FhirWorld
from connectors.home import Home
from connectors.state.quarantine import list_quarantined
from pipelines.definitions import build_defs
from pipelines.destinations import fhir_connection
from pipelines.dirty_runs import RANGE_END, RANGE_START
from pipelines.instance import dagster_instance
from pipelines.runs import QUIET
from pipelines.settings import Settings
from schemas.asleep import ASLEEP
from tests.assets.draining import drain
from tests.assets.homes import NOW, StandingClock, new_home
from tests.assets.raw.pulls import KEY, Puller, follow_everybody
from tests.exporters.driving import connection_to
from tests.exporters.fhir_exporter import NightFiles
from tests.exporters.fhir_servers import HostileServer, Stage

SENSOR = "fhir_exports"
TOKEN = "canary-of-a-token"

Run = tuple[str, str | None, str | None]
"""A job and its first and last partition."""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's environment does not count, and what is set here does not stay."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home."""
    with new_home(tmp_path / "home", StandingClock()) as home:
        yield home


@dataclass
class InDagster:
    """A home's definitions and its own Dagster instance."""

    home: Home
    connection: FhirConnection
    defs: dg.Definitions
    instance: dg.DagsterInstance

    def tick(self) -> SensorExecutionData:
        """Have the sensor look."""
        resources = {"home": self.home, "fhir_server": self.connection}
        with dg.build_sensor_context(instance=self.instance, resources=resources) as context:
            return self.defs.resolve_sensor_def(SENSOR).evaluate_tick(context)

    def asked(self) -> list[Run]:
        """The runs that the sensor asks for; none when it says why not."""
        tick = self.tick()
        requests = list(tick.run_requests or [])
        assert bool(requests) != bool(tick.skip_message)
        return [(str(one.job_name), one.tags.get(RANGE_START), one.tags.get(RANGE_END)) for one in requests]

    def execute_what_is_asked(self) -> list[dg.ExecuteInProcessResult]:
        """Have the sensor look, and execute what it asks for."""
        return [self.execute(str(one.job_name), one.tags) for one in self.tick().run_requests or []]

    def execute(self, job: str, tags: Any) -> dg.ExecuteInProcessResult:
        """Execute a job in this process; a failure is in the result."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, tags=dict(tags), run_config=QUIET, raise_on_error=False
        )

    def materialize(self, key: dg.AssetKey, first: str, last: str) -> dg.ExecuteInProcessResult:
        """Materialise a range of an asset, as the UI does it: without a job of ours."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            instance=self.instance,
            tags={RANGE_START: first, RANGE_END: last},
            asset_selection=[key],
            run_config=QUIET,
        )

    def records(self) -> str:
        """All that Dagster has kept of all runs."""
        return " ".join(
            f"{run} {run.tags} {[serialize_value(entry) for entry in self.instance.all_logs(run.run_id)]}"
            for run in self.instance.get_runs()
        )


@pytest.fixture
def server(stage: Stage) -> HostileServer:
    """A server that checks references."""
    return stage.show(check_references=True)


def in_dagster(home: Home, instance: dg.DagsterInstance, connection: FhirConnection) -> InDagster:
    """The definitions as the settings make them, with a connection that does not wait."""
    settings = Settings(_env_file=None, nightshift_home=home.root, fhir_base_url=connection.base_url)  # type: ignore[call-arg]
    return InDagster(home, connection, build_defs(settings, home=home, fhir_server=connection), instance)


@pytest.fixture
def dagster(home: Home, server: HostileServer) -> Iterator[InDagster]:
    """Dagster on the home, with the server set."""
    with dagster_instance(home) as instance:
        yield in_dagster(home, instance, connection_to(home, server.address))


def checks_of(result: dg.ExecuteInProcessResult) -> Sequence[dg.AssetCheckEvaluation]:
    """The outcomes of the checks of a run."""
    return result.get_asset_check_evaluations()


def written(results: list[dg.ExecuteInProcessResult]) -> int:
    """How many resources the runs say that they wrote."""
    events = [event for result in results for event in result.get_asset_materialization_events()]
    return sum(int(str(event.materialization.metadata["written"].value)) for event in events)


def test_after_a_pull_exactly_what_changed_is_asked_for_and_sent(
    home: Home, dagster: InDagster, server: HostileServer
) -> None:
    """People, each range of dates and each month; nothing while something is to be built; then only what changed."""
    world = World(users=2, nights=5, api_key=KEY, now=NOW)
    with running(world) as url:
        puller = Puller(home, url)
        follow_everybody(home, world)
        puller.pull(NOW.date() - timedelta(days=7))
        assert dagster.asked() == [], "the lake is still to be built"
        assert "still to be built" in str(dagster.tick().skip_message)
        drain(home)
        days = [name.removeprefix(DAYS) for name in partitions(home) if name.startswith(DAYS)]
        months = [name.removeprefix(MONTHS) for name in partitions(home) if name.startswith(MONTHS)]
        asked = dagster.asked()
        assert asked[0] == ("export_people", None, None)
        ranges = [run for run in asked if run[0] == "export_nights"]
        assert {day for day in days if any(str(first) <= day <= str(last) for _, first, last in ranges)} == set(days)
        assert [run[1:] for run in asked if run[0] == "export_averages"] == [(month, month) for month in months]
        results = dagster.execute_what_is_asked()
        assert [result.success for result in results] == [True] * len(asked)
        assert all(check.passed for result in results for check in checks_of(result))
        assert outdated(home, dagster.connection, partitions(home)) == []
        assert dagster.asked() == []
        assert "has everything" in str(dagster.tick().skip_message)
        before = server.versions()
        user = next(world.users())
        world.delete_session(user, deleted := user.sessions[-2])
        assert isinstance(home.clock, StandingClock)
        home.clock.advance(hours=1)
        puller.pull(NOW.date() - timedelta(days=7))
        drain(home)
    changed = outdated(home, dagster.connection, partitions(home))
    assert 0 < len(changed) < len(days)
    assert [str(first) for _, first, _ in dagster.asked()] == [name.partition("=")[2] for name in changed]
    dagster.execute_what_is_asked()
    after = server.versions()
    pseudonym = fhir_context(home).pseudonyms.of("session", "clinic", ASLEEP, deleted.id)
    assert after[f"Observation/{pseudonym}"] == 2
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]}.keys() <= {
        name for partition in changed for name in wanted_of(home, partition)
    }
    assert dagster.asked() == []
    assert written([dagster.materialize(SENT_NIGHTS, days[0], days[-1])]) == 0


def test_a_rejected_night_fails_the_check_and_names_nobody(
    home: Home, dagster: InDagster, server: HostileServer
) -> None:
    """The check and the metadata are numbers; the rest is sent; the sensor does not ask for what is refused again."""
    files = NightFiles(home)
    files.want({"ann/1": 100, "ann/2": 200, "bob/2": 300})
    server.world.switches.set({"poison": [files.pseudonym("ann/2")]})
    results = dagster.execute_what_is_asked()
    assert all(result.success for result in results), "a refused night is no reason to run again"
    (failed,) = [check for result in results for check in checks_of(result) if not check.passed]
    assert (failed.check_name, failed.asset_key) == (WANTED_IS_ACCEPTED, SENT_NIGHTS)
    assert failed.metadata["refused"].value == 1
    for result in results:
        for event in result.get_asset_materialization_events():
            assert all(isinstance(one, dg.IntMetadataValue) for one in event.materialization.metadata.values())
        for check in checks_of(result):
            assert all(isinstance(one, dg.IntMetadataValue) for one in check.metadata.values())
    assert [len(server.found("Observation", files.pseudonym(night))) for night in files.says] == [1, 0, 1]
    with home.state.read() as state:
        assert len(list_quarantined(state)) == 1
    names = [*files.says, "user-ann", "user-bob", "session-", *map(files.pseudonym, files.says), server.address]
    assert [name for name in names if name in dagster.records()] == []
    assert dagster.asked() == []


def test_a_login_that_is_refused_fails_the_run_in_one_sentence(home: Home, stage: Stage) -> None:
    """Nothing is kept of the token or the address; what was to be sent is asked for again within the hour."""
    server = stage.show(world=FhirWorld(bearer="another"))
    NightFiles(home).want({"ann/1": 100})
    connection = connection_to(home, server.address, login=BearerToken(TOKEN))
    with dagster_instance(home) as instance:
        dagster = in_dagster(home, instance, connection)
        before = dagster.asked()
        results = dagster.execute_what_is_asked()
        assert [result.success for result in results] == [False, False]
        records = dagster.records()
        assert KeyRefused.__name__ in records
        assert "check FHIR_TOKEN" in records
        assert [secret for secret in (TOKEN, server.address, "user-ann") if secret in records] == []
        assert dagster.asked() == before
        keys = [one.run_key for one in dagster.tick().run_requests or []]
        assert isinstance(home.clock, StandingClock)
        home.clock.advance(hours=1)
        assert not set(keys) & {one.run_key for one in dagster.tick().run_requests or []}


def test_a_login_that_cannot_be_used_stops_the_export_and_nothing_else(home: Home, server: HostileServer) -> None:
    """The definitions load, so that nights are pulled and built; the export says what to do."""
    NightFiles(home).want({"ann/1": 100})
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        nightshift_home=home.root,
        fhir_base_url=server.address,
        fhir_client_id=SecretStr("us"),
        fhir_private_key_file=home.root / "nowhere.pem",
        fhir_key_id="1",
    )
    connection = fhir_connection(settings, home)
    assert connection is not None
    with dagster_instance(home) as instance:
        dagster = InDagster(home, connection, build_defs(settings, home=home), instance)
        dg.Definitions.validate_loadable(dagster.defs)
        results = dagster.execute_what_is_asked()
        assert [result.success for result in results] == [False, False]
        assert "FHIR_PRIVATE_KEY_FILE cannot be read" in dagster.records()
        assert "nowhere" not in dagster.records()


def test_a_range_is_materialised_from_the_ui(home: Home, dagster: InDagster, server: HostileServer) -> None:
    """Dates without nights among them; people go first; what is in the range is sent and nothing else."""
    files = NightFiles(home)
    files.want({"ann/1": 100, "ann/4": 200, "ann/9": 300})
    first, last = files.days["ann/1"].isoformat(), files.days["ann/4"].isoformat()
    result = dagster.materialize(SENT_NIGHTS, first, last)
    assert [check.passed for check in checks_of(result)] == [True]
    assert [len(server.found("Observation", files.pseudonym(night))) for night in files.says] == [1, 1, 0]
    outside = files.days["ann/9"].isoformat()
    assert dagster.asked() == [("export_nights", outside, outside)]


def test_without_a_server_nothing_of_the_export_is_there(home: Home) -> None:
    """No asset, job or sensor that could fail or ask for anything; the definitions load and pull as ever."""
    settings = Settings(_env_file=None, nightshift_home=home.root)  # type: ignore[call-arg]
    defs = build_defs(settings, home=home)
    dg.Definitions.validate_loadable(defs)
    keys = {key for asset in SENT for key in asset.keys}
    assert keys & defs.resolve_asset_graph().get_all_asset_keys() == set()
    assert SENSOR not in [str(sensor.name) for sensor in defs.sensors or []]
    assert not [job.name for job in defs.resolve_all_job_defs() if job.name.startswith("export_")]
