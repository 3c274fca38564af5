"""Building partitions: dirty ones are cleared by whoever built the present state of things, and by nobody else."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date

import pytest

from assets.builds import (
    ALL_USERS,
    BED_INPUTS,
    DAILY_INPUTS,
    INPUTS,
    LIVE_INPUTS,
    MARTS,
    MARTS_INPUTS,
    MONTHLY_INPUTS,
    NIGHT_INPUTS,
    USER_INPUTS,
    BuildReport,
    Built,
    build_partitions,
    claim_partitions,
    family_of,
    mark_days_dirty,
    mark_missing_layers_dirty,
    mark_months_dirty,
    mark_nights_dirty,
    mark_roster_dirty,
    mark_users_dirty,
)
from assets.lake.users import user_row
from assets.marts.build import MART_INPUTS
from connectors.home import Home
from connectors.state.dirty import clear, list_dirty, mark_dirty
from connectors.state.ledger import LedgerDocument, LedgerSession, put_documents, put_sessions
from connectors.state.roster import RosterUser, list_users, put_users
from schemas.asleep import ASLEEP
from schemas.documents import AVERAGE_STATS, USER
from schemas.tables import USERS
from tests.assets.homes import NOW, sleeper
from tests.assets.lake.documents import session_document, stats_document

DAY, NEXT_DAY = "2026-11-21", "2026-11-22"
SESSIONS, FHIR = "sleep_sessions", "fhir_sleep_observations"


def mark(home: Home, assets: Iterable[str], *partitions: str) -> None:
    """Make partitions of assets dirty."""
    with home.state.write() as connection:
        mark_dirty(connection, assets, partitions)


def dirty(home: Home) -> dict[str, list[str]]:
    """Dirty partitions by asset."""
    with home.state.read() as connection:
        return {asset: list(partitions) for asset, partitions in list_dirty(connection).items()}


class Builder:
    """Builds by counting; what happens meanwhile is told by ``during``, called at each build with its number."""

    def __init__(self, during: Callable[[int], None] = lambda number: None) -> None:
        self.built: list[str] = []
        self._during = during

    def __call__(self, partition: str) -> Built:
        """Build one partition, one file."""
        self.built.append(partition)
        number = len(self.built)
        self._during(number)
        return Built(documents=number, rows=number, files=1)


def only_at(wanted: int, what: Callable[[], object]) -> Callable[[int], None]:
    """Do something during the build of this number."""

    def during(number: int) -> None:
        if number == wanted:
            what()

    return during


def test_a_dirty_partition_is_built_once_and_clean_afterwards(home: Home) -> None:
    """Others stay as they are."""
    mark(home, [SESSIONS, FHIR], DAY, NEXT_DAY)
    build = Builder()
    report = build_partitions(home, SESSIONS, [DAY], build)
    assert build.built == [DAY]
    assert report == BuildReport(Built(documents=1, rows=1, files=1))
    assert dirty(home) == {SESSIONS: [NEXT_DAY], FHIR: [DAY, NEXT_DAY]}


def test_a_clean_partition_is_built_all_the_same(home: Home) -> None:
    """Who asks for a build gets one; there is nothing to clear."""
    build = Builder()
    build_partitions(home, SESSIONS, [DAY, NEXT_DAY], build)
    assert build.built == [DAY, NEXT_DAY]
    assert dirty(home) == {}


def test_a_change_during_a_build_is_built_too(home: Home) -> None:
    """The holder looks again before it lets go; files of both builds count, rows are those of the last."""
    mark(home, [SESSIONS], DAY)
    build = Builder(only_at(1, lambda: mark(home, [SESSIONS], DAY)))
    report = build_partitions(home, SESSIONS, [DAY], build)
    assert build.built == [DAY, DAY]
    assert (report.total.rows, report.total.files) == (2, 2)
    assert dirty(home) == {}


def test_a_change_during_the_build_of_a_clean_partition_is_not_lost(home: Home) -> None:
    """It was not dirty when it was claimed, so it stays dirty for the next who looks."""
    build_partitions(home, SESSIONS, [DAY], Builder(only_at(1, lambda: mark(home, [SESSIONS], DAY))))
    assert dirty(home) == {SESSIONS: [DAY]}


def test_dirty_inputs_keep_a_partition_dirty(home: Home) -> None:
    """It is built, once, from what is there; it is clean only when its inputs were clean before."""
    mark(home, [SESSIONS, FHIR], DAY)
    build = Builder()
    build_partitions(home, FHIR, [DAY], build)
    assert build.built == [DAY]
    assert dirty(home) == {SESSIONS: [DAY], FHIR: [DAY]}
    build_partitions(home, SESSIONS, [DAY], build)
    build_partitions(home, FHIR, [DAY], build)
    assert dirty(home) == {}


def test_inputs_that_become_clean_during_a_build_were_dirty_when_it_began(home: Home) -> None:
    """What was read may have been old, so the partition stays dirty."""
    mark(home, [SESSIONS, FHIR], DAY)
    at_once = only_at(1, lambda: build_partitions(home, SESSIONS, [DAY], Builder()))
    build_partitions(home, FHIR, [DAY], Builder(at_once))
    assert dirty(home) == {FHIR: [DAY]}


def test_a_pull_during_a_build_leaves_what_depends_on_it_dirty(home: Home) -> None:
    """All assets of the day are new then: built again from old inputs, and kept for after them."""
    mark(home, [FHIR], DAY)
    build = Builder(only_at(1, lambda: mark(home, DAILY_INPUTS, DAY)))
    build_partitions(home, FHIR, [DAY], build)
    assert build.built == [DAY, DAY]
    assert dirty(home) == {asset: [DAY] for asset in sorted(DAILY_INPUTS)}


def test_dirty_inputs_of_another_date_do_not_matter(home: Home) -> None:
    """A partition reads the same partition of its inputs."""
    mark(home, [SESSIONS], NEXT_DAY)
    mark(home, [FHIR], DAY)
    build_partitions(home, FHIR, [DAY], Builder())
    assert dirty(home) == {SESSIONS: [NEXT_DAY]}


def test_a_partition_that_another_is_building_is_left_to_it_and_dirty(home: Home) -> None:
    """Nobody waits; the other partitions are built, and other assets are not concerned."""
    build, other = Builder(), Builder()
    with home.lock(f"{SESSIONS}.{DAY}") as held:
        assert held
        report = build_partitions(home, SESSIONS, [DAY, NEXT_DAY], build)
        build_partitions(home, FHIR, [DAY], other)
    assert (build.built, other.built) == ([NEXT_DAY], [DAY])
    assert report.left_dirty == [DAY]
    assert dirty(home) == {SESSIONS: [DAY]}


@pytest.mark.parametrize(("changed", "times"), [(False, 1), (True, 2)])
def test_the_holder_builds_for_whom_it_kept_out(home: Home, changed: bool, times: int) -> None:
    """Again only if something has changed since it began, which gave the partition a new generation."""
    mark(home, [SESSIONS], DAY)
    kept_out: list[BuildReport] = []
    late = Builder()

    def come_too_late() -> None:
        if changed:
            mark(home, [SESSIONS], DAY)
        kept_out.append(build_partitions(home, SESSIONS, [DAY], late))

    build = Builder(only_at(1, come_too_late))
    build_partitions(home, SESSIONS, [DAY], build)
    assert (build.built, late.built) == ([DAY] * times, [])
    assert [report.left_dirty for report in kept_out] == [[DAY]]
    assert dirty(home) == {}


def test_who_is_kept_out_of_a_clean_partition_leaves_it_dirty(home: Home) -> None:
    """The holder began without knowing of any change, and is not asked again."""
    late = Builder()
    build_partitions(home, SESSIONS, [DAY], Builder(only_at(1, lambda: build_partitions(home, SESSIONS, [DAY], late))))
    assert late.built == []
    assert dirty(home) == {SESSIONS: [DAY]}


def test_a_build_that_fails_leaves_the_partition_dirty_and_free(home: Home) -> None:
    """The next one can have the lock, and still has something to do."""
    mark(home, [SESSIONS], DAY)

    def fail() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build_partitions(home, SESSIONS, [DAY], Builder(only_at(1, fail)))
    assert dirty(home) == {SESSIONS: [DAY]}
    build = Builder()
    assert build_partitions(home, SESSIONS, [DAY], build).left_dirty == []
    assert (build.built, dirty(home)) == ([DAY], {})


def test_partitions_that_lost_a_document_are_named(home: Home) -> None:
    """Totals are over all partitions, whether they add up is asked of each."""
    results = {
        "2026-11-20": Built(documents=4, rows=1, quarantined=1, waiting=1, deleted=1, findings={"a": 1}),
        DAY: Built(documents=2, rows=1, findings={"a": 2, "b": 1}),
        NEXT_DAY: Built(documents=1, rows=2),
    }
    report = build_partitions(home, SESSIONS, results, lambda day: replace(results[day]))
    assert report.unconserved == [DAY, NEXT_DAY]
    assert report.total == Built(7, 4, 1, 1, 1, 0, {"a": 3, "b": 1})


def test_many_partitions_can_be_claimed_before_one_load(home: Home) -> None:
    """Only those that are unchanged since, with clean inputs, are cleared."""
    mark(home, ["warehouse_sleep"], DAY, NEXT_DAY, "2026-11-20")
    mark(home, [SESSIONS], "2026-11-20")
    claims = claim_partitions(home, "warehouse_sleep", [DAY, NEXT_DAY, "2026-11-20"])
    mark(home, ["warehouse_sleep"], NEXT_DAY)
    left = clear(home.state, claims)
    assert [claim.partition for claim in left] == [NEXT_DAY, "2026-11-20"]
    assert dirty(home)["warehouse_sleep"] == ["2026-11-20", NEXT_DAY]


def test_marks_reach_all_assets_of_a_family_and_no_other(home: Home) -> None:
    """Days, months and users."""
    with home.state.write() as connection:
        mark_days_dirty(connection, [DAY])
        mark_months_dirty(connection, ["2026-11"])
        mark_users_dirty(connection)
    assert dirty(home) == {
        **{asset: [DAY] for asset in DAILY_INPUTS},
        **{asset: ["2026-11"] for asset in MONTHLY_INPUTS},
        **{asset: [ALL_USERS] for asset in (*USER_INPUTS, MARTS)},
    }


def test_inputs_come_before_what_reads_them_and_are_of_its_family() -> None:
    """The order of the families is the order of the flow; what beds measured is in the Observations of their nights."""
    for family in (BED_INPUTS, DAILY_INPUTS, NIGHT_INPUTS, MONTHLY_INPUTS, USER_INPUTS):
        names = list(family)
        for number, (asset, inputs) in enumerate(family.items()):
            assert set(inputs) <= {*names[:number], *BED_INPUTS}
            assert family_of(asset) == names
    families = (BED_INPUTS, DAILY_INPUTS, NIGHT_INPUTS, MONTHLY_INPUTS, USER_INPUTS, LIVE_INPUTS, MARTS_INPUTS)
    assert len(INPUTS) == sum(map(len, families))
    assert {*MARTS_INPUTS[MARTS]} == {table.name for table in MART_INPUTS}


def test_marts_wait_for_every_partition_of_what_they_read(home: Home) -> None:
    """Computed while a night is still to be built they may be old, and stay dirty."""
    with home.state.write() as connection:
        mark_nights_dirty(connection, [date(2026, 11, 20)])
    early = claim_partitions(home, MARTS, [ALL_USERS])
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions WHERE asset <> 'marts'")
    assert clear(home.state, early) == early
    assert clear(home.state, claim_partitions(home, MARTS, [ALL_USERS])) == []


def test_marts_of_other_rules_are_computed_again_once(home: Home) -> None:
    """And so are those of a warehouse that is gone."""
    home.raw.append([session_document()])
    home.lake.replace(USERS, "", [user_row(sleeper("G-a"), None)])
    mark_missing_layers_dirty(home, warehouse_exists=True)
    for _ in range(2):
        with home.state.write() as connection:
            connection.exec_driver_sql("DELETE FROM dirty_partitions")
        mark_missing_layers_dirty(home, warehouse_exists=True)
        assert dirty(home) == {}
        (home.root / ".marts").write_text("0")
        mark_missing_layers_dirty(home, warehouse_exists=True)
        assert dirty(home) == {MARTS: [ALL_USERS]}
    mark_missing_layers_dirty(home, warehouse_exists=False)
    assert dirty(home).keys() >= {MARTS, "warehouse_sleep", "warehouse_users"}


ALICE, BOB = sleeper("G-alice"), sleeper("G-bob")


def import_users(home: Home, *users: RosterUser) -> None:
    """Import users as the command does."""
    with home.state.write() as connection:
        before = {user.key: user for user in list_users(connection, ASLEEP)}
        put_users(connection, users)
        mark_roster_dirty(connection, before, users)


@pytest.fixture
def known(home: Home) -> Home:
    """A home that has Alice's sessions and statistics, and Bob's; nothing is dirty."""
    import_users(home, ALICE, BOB)
    with home.state.write() as connection:
        for user, day in ((ALICE, date(2026, 10, 31)), (ALICE, date(2026, 11, 1)), (BOB, date(2026, 11, 2))):
            session = LedgerSession(
                ASLEEP, user.user_id, str(day), "clinic", day, "", "complete", "h", 1, first_seen_at=NOW, changed_at=NOW
            )
            month = LedgerDocument(ASLEEP, AVERAGE_STATS, user.user_id, f"{day:%Y-%m}", "h", NOW)
            put_sessions(connection, [session])
            put_documents(connection, [month, replace(month, document=USER, document_id=user.user_id)])
        connection.exec_driver_sql("DELETE FROM dirty_partitions")
    return home


def test_a_new_user_concerns_the_users_alone(known: Home) -> None:
    """There is nothing of theirs yet."""
    import_users(known, sleeper("G-carol"))
    assert dirty(known) == {asset: [ALL_USERS] for asset in (*USER_INPUTS, MARTS)}


def test_an_import_without_a_change_concerns_nothing(known: Home) -> None:
    """The same file twice."""
    import_users(known, ALICE, BOB)
    assert dirty(known) == {}


@pytest.mark.parametrize("change", [{"org_id": "other"}, {"timezone": "Europe/Berlin"}])
def test_a_new_label_concerns_all_days_and_months_of_the_user(known: Home, change: dict[str, str]) -> None:
    """Organisation and zone are in every row; nobody else's days are touched."""
    import_users(known, replace(ALICE, **change), BOB)  # type: ignore[arg-type]
    assert dirty(known) == {
        **{asset: ["2026-10-31", "2026-11-01"] for asset in DAILY_INPUTS},
        **{asset: ["2026-10", "2026-11"] for asset in MONTHLY_INPUTS},
        **{asset: [ALL_USERS] for asset in (*USER_INPUTS, MARTS)},
    }


def test_other_days_to_follow_concern_the_users_alone(known: Home) -> None:
    """What was pulled before stays as it is."""
    import_users(known, replace(ALICE, active_to=date(2026, 11, 30)))
    assert dirty(known) == {asset: [ALL_USERS] for asset in (*USER_INPUTS, MARTS)}


def test_the_tables_of_an_older_release_are_made_again_once(home: Home) -> None:
    """Everything raw has documents of, from raw; then the home is of this release and at rest."""
    home.raw.append([session_document(), stats_document()])
    home.lake.replace(USERS, "", [user_row(sleeper("G-a"), None)])
    mark_missing_layers_dirty(home, warehouse_exists=True)
    assert {
        asset: set(partitions) for asset, partitions in dirty(home).items() if asset in (SESSIONS, "average_stats")
    } == {
        SESSIONS: {"2025-03-10"},
        "average_stats": {"2025-01"},
    }
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")
    mark_missing_layers_dirty(home, warehouse_exists=True)
    assert dirty(home) == {}
    home.lake.path(USERS, "").unlink()
    home.lake.path(USERS, "").parent.rmdir()
    mark_missing_layers_dirty(home, warehouse_exists=True)
    assert dirty(home)[SESSIONS] == ["2025-03-10"]


def test_other_fhir_settings_have_only_fhir_made_again(home: Home) -> None:
    """The tables do not depend on them; afterwards the home is at rest."""
    home.raw.append([session_document(), stats_document()])
    home.lake.replace(USERS, "", [user_row(sleeper("G-a"), None)])
    mark_missing_layers_dirty(home, warehouse_exists=True)
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")
    other = replace(home, fhir_base="https://clinic.test/fhir")
    mark_missing_layers_dirty(other, warehouse_exists=True)
    assert set(dirty(other)) == {"fhir_sleep_observations", "fhir_average_stats", "fhir_people"}
    with home.state.write() as connection:
        connection.exec_driver_sql("DELETE FROM dirty_partitions")
    mark_missing_layers_dirty(other, warehouse_exists=True)
    assert dirty(other) == {}
