"""The contradictions of the vendor's documentation, one test a row of docs/vendor-quirks.md, against the sandbox.

Each compares a lake made while the sandbox shows one form with the lake of the same world in the usual form. Rows 10 to
13, 17 and 28 are about webhooks; their tests stand with those.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest

from connectors.asleep.sandbox import World, running
from connectors.asleep.sandbox.faults import Faults
from connectors.asleep.sandbox.rules import Rule
from schemas.documents import SESSION_LIST, USER
from schemas.metrics import METRICS
from tests.assets.homes import NOW, StandingClock, follow, new_home, sleeper
from tests.assets.lake.vendor_worlds import Lake, lake_of
from tests.assets.raw.pulls import Puller, kept, left
from tests.connectors.asleep.client_fixture import opened

HOUSE = Path(__file__).parent.parent.parent.parent
BREATHING = {metric.name for metric in METRICS if metric.needs == "breathing"}
NO_SESSION = "20200101000000_abcde"
DAY = date(2026, 11, 1)

Made = Callable[..., Lake]


@pytest.fixture(scope="module")
def world() -> World:
    """Four people with six nights, with and without breathing analysis."""
    return World(users=4, nights=6, now=NOW)


@pytest.fixture(scope="module")
def faults() -> Faults:
    """What goes wrong at the vendor; nothing unless a test says so."""
    return Faults()


@pytest.fixture(scope="module")
def base_url(world: World, faults: Faults) -> Iterator[str]:
    """Where the world is served."""
    with running(world, faults) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def usual(world: World, base_url: str, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The lake of the world in the usual form."""
    lake = lake_of(tmp_path_factory.mktemp("usual") / "home", world, base_url)
    assert (lake.drift, lake.violated, lake.built.quarantined) == (set(), set(), 0)
    assert {row["provider_agreement"] for row in (*lake.sessions.values(), *lake.averages.values())} == {"exact"}
    return lake


@pytest.fixture
def shown(world: World, base_url: str, tmp_path: Path, usual: Lake) -> Made:
    """Makes the lake while the sandbox shows variants; no session may be lost by any."""

    def shown(*variants: str) -> Lake:
        lake = lake_of(tmp_path / "home", world, base_url, variants)
        assert lake.report.complete
        assert (lake.built.quarantined, set(lake.sessions)) == (0, set(usual.sessions))
        return lake

    return shown


@pytest.fixture
def cases(tmp_path: Path) -> Callable[..., Lake]:
    """Makes the lake of one person with special sessions."""

    def cases(*names: str) -> Lake:
        world = World(users=1, nights=1, now=NOW - timedelta(days=20))
        (user,) = world.users()
        for name in names:
            world.add_case(user, name)
        with running(world) as base_url:
            return lake_of(tmp_path / "home", world, base_url)

    return cases


def kinds(lake: Lake) -> dict[str, str]:
    """The last part of each path by the kind of drift."""
    return {kind: path.rpartition(".")[2] for kind, path in lake.drift}


def test_row_1_efficiency_in_percent(usual: Lake, shown: Made) -> None:
    """Ours is computed from seconds, so nothing changes; the form is told, and the identity holds on it."""
    lake = shown("percent_efficiency")
    assert lake.figures() == usual.figures()
    assert kinds(lake) == {"efficiency_in_percent": "sleep_efficiency"}
    assert lake.violated == set()
    assert all(0 < row["sleep_efficiency"] <= 1 for row in lake.sessions.values() if row["total_sleep_time_s"])


def test_row_2_efficiency_in_percent_of_averages(usual: Lake, shown: Made) -> None:
    """The same where it is an average."""
    assert shown("percent_efficiency").averages.keys() == usual.averages.keys()
    assert all(0 < row["sleep_efficiency"] <= 1 for row in usual.averages.values() if row["slept_sessions"])


def test_row_3_a_duration_for_the_moment_of_onset(usual: Lake, shown: Made) -> None:
    """A clock time is not used as onset; every duration stays."""
    lake = shown("clock_sleep_time")
    assert lake.figures("sleep_onset") == usual.figures("sleep_onset")
    assert {row["sleep_onset"] for row in lake.sessions.values()} == {None}
    assert kinds(lake) == {"clock_time_for_instant": "sleep_time"}


def test_row_4_a_duration_for_the_clock_time_of_averages(usual: Lake, shown: Made) -> None:
    """It is read as the clock time it is documented to be, and the comparison with our own nights tells."""
    lake = shown("duration_as_mean_sleep_time")
    assert lake.figures("sleep_onset") == usual.figures("sleep_onset")
    assert all(row["provider_differences"] == ["sleep_onset"] for row in lake.averages.values() if row["bedtime"])


def test_row_5_stage_ratios_of_time_asleep(usual: Lake, shown: Made) -> None:
    """Ratios are not stored; the identity names the other denominator."""
    lake = shown("ratios_over_sleep")
    assert lake.figures() == usual.figures()
    assert "stage_ratios" in lake.violated


def test_row_6_snoring_of_time_asleep(usual: Lake, shown: Made) -> None:
    """Time in snoring is the same; what is left of the night is not stored."""
    lake = shown("snoring_over_sleep")
    assert lake.figures() == usual.figures()
    assert lake.violated == {"snoring_splits_the_period"}


@pytest.mark.parametrize("variant", ["cycle_list_with_order", "cycle_list_with_index"])
def test_row_7_sleep_cycles_as_a_list(usual: Lake, shown: Made, variant: str) -> None:
    """Count and mean length come from the list; without a cycle there is none."""
    lake = shown(variant)
    assert lake.figures("sleep_cycle_mean_s") == usual.figures("sleep_cycle_mean_s")
    assert kinds(lake) == {"list_of_cycles": "sleep_cycle"}
    assert lake.violated == set()
    for session_id, row in usual.sessions.items():
        mean = lake.sessions[session_id]["sleep_cycle_mean_s"]
        assert (mean is None) == (row["sleep_cycle_mean_s"] is None)
        assert mean is None or abs(mean - row["sleep_cycle_mean_s"]) <= 30


def test_row_8_stage_latencies_from_the_start(usual: Lake, shown: Made) -> None:
    """They are counted again from sleep onset."""
    lake = shown("latencies_from_start")
    assert lake.figures() == usual.figures()
    assert kinds(lake) == {"latency_from_start": "light_latency"}
    assert lake.violated == {"a_stage_begins_at_onset"}


def test_row_9_a_decimal_sleep_index(usual: Lake, shown: Made) -> None:
    """Any number from 0 to 100 is one."""
    lake = shown("decimal_sleep_index")
    assert lake.figures("sleep_index") == usual.figures("sleep_index")
    assert any(row["sleep_index"] % 1 for row in lake.sessions.values())
    assert lake.drift == set()


def test_row_14_breath_stages_may_be_null_or_zeros(usual: Lake, shown: Made) -> None:
    """Null stays null and is never zero; zeros that contradict the contract are named by the identity."""
    without = {row["user_id"] for row in usual.sessions.values() if "NO_BREATHING_STABILITY" in row["peculiarities"]}
    assert without
    assert all((row["breath_stages"] is None) == (row["user_id"] in without) for row in usual.hypnograms.values())
    lake = shown("breath_stages_always")
    assert all(row["breath_stages"] for row in lake.hypnograms.values())
    assert lake.violated == {"breathing_matches_the_contract"}
    assert all(row[name] is None for row in lake.sessions.values() if row["user_id"] in without for name in BREATHING)


def test_row_15_the_server_makes_user_ids(world: World, base_url: str, tmp_path: Path) -> None:
    """An id of the application is a user the vendor does not know; the roster labels the vendor's own."""
    with new_home(tmp_path / "home", StandingClock(NOW)) as home:
        vendors = next(world.users()).user_id
        follow(home, sleeper(vendors, "clinic-7"), sleeper("anna@clinic.example"))
        report = Puller(home, base_url).pull()
        assert report.failed.total() == 1
        assert set(left(home)) == {"anna@clinic.example"}
        assert {document.document.org_id for document in kept(home, USER)} == {"clinic-7"}


def test_rows_16_and_32_only_the_documented_paths_are_asked(base_url: str, usual: Lake) -> None:
    """The sandbox knows no other, and nothing was refused."""
    for path in ("/users/x", "/sessions?user_id=x", "/users/x/statistics/average", f"/data/v2/sessions/{NO_SESSION}"):
        answer = httpx.get(base_url + path, headers={"x-api-key": "sandbox-key"}, trust_env=False)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert usual.report.complete
    assert usual.sessions


def test_row_18_both_names_of_the_last_session(usual: Lake, shown: Made) -> None:
    """Nothing is read from it, and neither form is news."""
    lake = shown("old_last_session")
    assert lake.figures() == usual.figures()
    assert lake.drift == set()


def test_row_19_a_period_with_days(usual: Lake, shown: Made) -> None:
    """Without a zone it is the one that was asked for."""
    lake = shown("period_with_days")
    assert lake.figures() == usual.figures()
    assert lake.drift == set()


def test_row_20_slept_sessions_by_either_name(usual: Lake, shown: Made) -> None:
    """With all figures, with few, or only an id and a start; counts and ids are the same."""
    for variant in ("short_slept_rows", "lean_slept_rows"):
        lake = shown(variant)
        assert lake.figures() == usual.figures()
        assert lake.drift == set()


def test_row_20_lists_that_are_missing_are_unknown(usual: Lake, shown: Made) -> None:
    """A list that was not sent has no length, and without it nobody knows which nights to compare."""
    lake = shown("without_lists")
    counts = ("slept_sessions", "never_slept_sessions", "slept_session_ids")
    assert lake.figures(*counts) == usual.figures(*counts)
    assert {row[name] for row in lake.averages.values() for name in counts} == {None}
    assert {row["provider_agreement"] for row in lake.averages.values()} == {None}


@pytest.mark.parametrize("variant", ["success_everywhere", "odd_detail"])
def test_row_21_detail_on_success_is_not_looked_at(usual: Lake, shown: Made, variant: str) -> None:
    """Whatever it says."""
    assert shown(variant).figures() == usual.figures()


@pytest.mark.parametrize("odd", [False, True])
def test_row_22_a_bad_zone_is_refused_in_any_wording(world: World, base_url: str, faults: Faults, odd: bool) -> None:
    """Each endpoint has a text of its own, and another one; the status decides."""
    user_id = next(world.users()).user_id

    async def refused() -> set[str]:
        async with opened(base_url, key=world.api_key) as client:
            calls = (
                client.list_sessions(user_id, date_gte=DAY, date_lte=DAY, zone="Mars/Olympus"),
                client.get_session(user_id, NO_SESSION, zone="Mars/Olympus"),
                client.average_stats(user_id, DAY, DAY, zone="Mars/Olympus"),
            )
            return {type(error).__name__ for error in await asyncio.gather(*calls, return_exceptions=True)}

    faults.set((Rule(kind="odd_texts"),) if odd else ())
    assert asyncio.run(refused()) == {"InvalidRequest"}
    faults.set(())


def test_row_23_other_wordings_of_not_found(world: World, base_url: str, faults: Faults, tmp_path: Path) -> None:
    """The status decides: an unknown user is an unknown user in every wording."""
    with new_home(tmp_path / "home", StandingClock(NOW)) as home:
        follow(
            home, *(sleeper(user.user_id) for user in world.users()), sleeper("G-20200101000000-abcdefghijklmnopqrst")
        )
        told = []
        for rules in ((), (Rule(kind="odd_texts"),)):
            faults.set(rules)
            report = Puller(home, base_url).pull()
            told.append((dict(report.failed), report.gone))
        faults.set(())
    assert told == [({"user_not_found": 1}, 0), ({}, 1)], "a failure once, known to be gone from then on"


def test_row_24_a_malformed_user_id_is_not_a_wrong_key(
    world: World, base_url: str, faults: Faults, tmp_path: Path
) -> None:
    """That user fails, everybody else is pulled."""
    refused, *others = [user.user_id for user in world.users()]
    faults.set((Rule(kind="user_refused", users=(refused,), share=1, in_a_row=100),))
    with new_home(tmp_path / "home", StandingClock(NOW)) as home:
        follow(home, *(sleeper(user_id) for user_id in (refused, *others)))
        report = Puller(home, base_url).pull()
        assert dict(report.failed) == {"invalid_user_id": 1}
        assert set(left(home)) == {refused}
    faults.set(())


@pytest.mark.parametrize("kind", ["rate_limit", "too_many"])
def test_row_25_the_rate_limit_is_403_or_429(
    world: World, base_url: str, faults: Faults, tmp_path: Path, usual: Lake, kind: str
) -> None:
    """Both are asked again, and nothing is lost."""
    faults.set((Rule(kind=kind, share=0.2, in_a_row=1),))
    lake = lake_of(tmp_path / "home", world, base_url)
    assert faults.fired.total() > 0
    faults.set(())
    assert lake.figures() == usual.figures()


def test_row_26_too_short_is_what_the_vendor_says(cases: Made) -> None:
    """17 minutes or 4, the word is there; a night without it is not short, and no figure is made up."""
    lake = cases("too_short", "too_short_without_arrays")
    short = [row for row in lake.sessions.values() if "TOO_SHORT_FOR_ANALYSIS" in row["peculiarities"]]
    assert sorted((row["end_time"] - row["start_time"]).total_seconds() // 60 for row in short) == [4, 17]
    assert {row[metric.name] for row in short for metric in METRICS} == {None}
    assert {row["has_stages"] for row in short} == {"none"}
    assert lake.drift == set()


def test_row_27_no_breathing_stability_is_about_the_contract(usual: Lake, shown: Made) -> None:
    """Beside breath figures the word contradicts them: they are kept as sent, and the identity names it."""
    lake = shown("breathing_flag_with_figures")
    assert lake.figures("peculiarities") == usual.figures("peculiarities")
    assert lake.violated == {"breathing_matches_the_contract"}


def test_row_29_an_abnormal_end_is_the_unexpected_one(usual: Lake, cases: Made) -> None:
    """Every finished session has an end; only one that was closed late has the other."""
    assert {row["unexpected_end_time"] for row in usual.sessions.values()} == {None}
    lake = cases("unexpected_end")
    late = [row for row in lake.sessions.values() if row["unexpected_end_time"]]
    assert [row["unexpected_end_time"] - row["end_time"] for row in late] == [
        timedelta(hours=5, minutes=19, seconds=12)
    ]
    assert all(row["end_time"] - row["start_time"] == timedelta(seconds=row["time_in_bed_s"]) for row in late)


def test_row_30_averages_are_compared_with_our_own(usual: Lake, shown: Made) -> None:
    """What does not add up is told by the comparison and costs nothing; usual answers agree exactly."""
    assert {row["provider_agreement"] for row in usual.averages.values()} == {"exact"}
    lake = shown("duration_as_mean_sleep_time")
    assert "differs" in {row["provider_agreement"] for row in lake.averages.values()}
    assert lake.averages.keys() == usual.averages.keys()


def test_row_31_the_zone_of_a_session_by_either_name(usual: Lake, shown: Made) -> None:
    """The same night of the same local date."""
    lake = shown("session_zone")
    assert lake.figures() == usual.figures()
    assert kinds(lake) == {"zone_inside_session": "timezone"}


def test_row_33_unknown_epochs_are_in_no_sum_and_never_onset(cases: Made) -> None:
    """Their share is counted; figures that take one for the onset of sleep differ from the hypnogram's."""
    lake = cases("unknown_epochs", "onset_at_unknown")
    assert lake.built.findings["unknown_epochs"] == sum(
        row["sleep_stages"].count(-1) for row in lake.hypnograms.values()
    )
    odd = [row for row in lake.sessions.values() if row["provider_agreement"] == "differs"]
    assert ["sleep_onset_latency_s" in row["provider_differences"] for row in odd] == [True]


def test_unknown_fields_change_nothing_and_are_named(usual: Lake, shown: Made) -> None:
    """At every level, of every type; the raw documents keep them."""
    lake = shown("unknown_fields")
    assert lake.figures() == usual.figures()
    assert {drift.kind for drift in lake.drift} == {"unknown_field"}
    assert {"$.added_text", "$.result.session.added_list", "$.result.slept_sessions[].added_null"} <= {
        drift.path for drift in lake.drift
    }


@pytest.mark.parametrize(
    "variant",
    ["absent_for_null", "whole_for_decimal", "whole_as_decimal", "z_offsets", "fractional_times", "three_decimals"],
)
def test_other_spellings_of_the_same_are_the_same(usual: Lake, shown: Made, variant: str) -> None:
    """And no news; but for decimals they even have the same content hash."""
    lake = shown(variant)
    assert lake.figures() == usual.figures()
    assert lake.drift == set()
    if variant != "three_decimals":
        hashes = [{row["content_hash"] for row in made.sessions.values()} for made in (lake, usual)]
        assert hashes[0] == hashes[1]


def test_list_pages_are_kept_whatever_they_look_like(world: World, base_url: str, tmp_path: Path) -> None:
    """A session in analysis without a time in bed is listed and waits."""
    with new_home(tmp_path / "home", StandingClock(NOW)) as home:
        follow(home, *(sleeper(user.user_id) for user in world.users()))
        world.set_variants(["closed_without_time_in_bed"])
        report = Puller(home, base_url).pull()
        world.set_variants(())
        assert (report.failed.total(), report.counts.pending) == (0, 2)
        assert kept(home, SESSION_LIST)


def test_every_row_has_a_test_of_its_number() -> None:
    """33 rows, here and with the webhooks."""
    files = [
        Path(__file__),
        *(HOUSE / "tests").rglob("test_*webhook*.py"),
        *(HOUSE / "tests").rglob("webhooks/test_*.py"),
    ]
    names = [name for file in files for name in re.findall(r"def test_rows?_(\w+)", file.read_text(encoding="utf-8"))]
    rows = {int(number) for name in names for number in re.findall(r"(?:^|and_)(\d+)(?=_)", name)}
    assert rows == set(range(1, 34))
