"""``nightshift bed``: what is shown, what is sent, what is refused before a call, and how it ends."""

import json
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from typing import Any

import pytest
from typer.testing import Result

from connectors.eight_sleep.login import Credentials
from connectors.eight_sleep.sandbox import Fault
from connectors.errors import NightshiftError, VendorError, WrongUsage
from connectors.state.roster import RosterUser, list_users, put_users, read_roster_csv
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP
from tests.connectors.eight_sleep.rig import NOBODY_LISTENS, Rig
from tests.pipelines.bed.terminal import Terminal


def sides(rig: Rig, bed: int = 0) -> tuple[Any, Any]:
    """Target and end of each side of a bed, at the present."""
    return tuple(  # type: ignore[return-value]
        (side.target_at(rig.clock.now), side.until) for side in rig.world.beds()[bed].sides.values()
    )


def refusal(result: Result) -> str:
    """The sentence of wrong usage."""
    assert isinstance(result.exception, WrongUsage)
    return str(result.exception)


def share(rig: Rig) -> None:
    """Give the account a second bed."""
    rig.world.share(rig.world.beds()[1], rig.sleeper)


def test_status_shows_each_side_in_levels(terminal: Terminal, rig: Rig) -> None:
    """Presence, target, level now, the hub; neutral and off are one; never a degree."""
    left, right = rig.world.beds()[0].sides.values()
    left.presence, right.presence = True, False
    left.set(-20, 0, rig.clock.now)
    rig.clock.forward(60)
    shown = terminal("status")
    assert shown.exit_code == 0
    name = rig.world.beds()[0].device_id
    rows = [line.split(maxsplit=4) for line in shown.stdout.splitlines() if name in line]
    assert [row[2:4] for row in rows] == [["left", "online"], ["right", "online"]]
    assert "-20, cooling" in rows[0][4]
    assert rows[0][4].split("  ")[0] == "in bed"
    assert "-10, cooling" in rows[0][4]
    assert "out of bed" in rows[1][4]
    assert rows[1][4].count("0, neutral or off") == 2
    assert "°" not in shown.stdout


def test_status_as_json(terminal: Terminal, rig: Rig) -> None:
    """Levels are numbers; whether a side's sleeper is rostered, but no user id."""
    bed = rig.world.beds()[0]
    bed.sides["left"].presence, bed.sides["right"].presence = True, False
    with terminal.home.state.write() as connection:
        user = bed.sides["right"].sleeper.user_id
        put_users(connection, [RosterUser(EIGHT_SLEEP, "anna", vendor_user_id=user)])
    shown = terminal("status", "--json")
    told = json.loads(shown.stdout)
    assert told == {
        "beds": [
            {
                "account": 1,
                "bed": bed.device_id,
                "online": True,
                "sides": [
                    {"side": "left", "presence": True, "target_level": 0, "level_now": 0, "on_roster": False},
                    {"side": "right", "presence": False, "target_level": 0, "level_now": 0, "on_roster": True},
                ],
            }
        ],
        "failed": 0,
    }


def test_status_names_who_is_rostered_at_a_terminal_only(
    terminal: Terminal, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By our id, never the vendor's; a pipe learns only that it is somebody. Users of another source do not count."""
    left, right = rig.world.beds()[0].sleepers()
    with terminal.home.state.write() as connection:
        put_users(
            connection,
            [RosterUser(EIGHT_SLEEP, "anna", vendor_user_id=left.user_id), RosterUser(ASLEEP, right.user_id)],
        )
    piped = terminal("status").stdout
    assert "on the roster" in piped
    assert "not on the roster" in piped
    assert "anna" not in piped

    class Seeming:
        """A stdout that seems to be a terminal."""

        stdout = type("Stdout", (), {"isatty": staticmethod(lambda: True)})

    monkeypatch.setattr(import_module("pipelines.command.bed.status"), "sys", Seeming)
    shown = terminal("status").stdout
    assert "anna" in shown
    assert left.user_id not in shown + piped
    assert right.user_id not in shown + piped


@pytest.mark.parametrize("told_by", ["status", "503"])
def test_a_bed_that_is_offline_is_shown_as_such(terminal: Terminal, rig: Rig, told_by: str) -> None:
    """However the vendor says it; nothing else is said of it, and other beds are shown."""
    share(rig)
    if told_by == "status":
        rig.world.beds()[0].online = False
    else:
        rig.faults.set(Fault("offline", "status", 3))
    shown = terminal("status")
    assert shown.exit_code == 0
    assert shown.stdout.count("offline") == 2
    assert shown.stdout.count("online") == 2


def test_one_account_that_fails_is_exit_code_3(terminal: Terminal, rig: Rig) -> None:
    """What is known is shown; if nothing is, it is an error."""
    wrong = rig.connection(credentials=Credentials("nobody@example.com", "wrong"))
    terminal.accounts = [rig.connection(), wrong]
    shown = terminal("status")
    assert shown.exit_code == 3
    assert rig.world.beds()[0].device_id in shown.stdout
    assert "refused the e-mail address or the password" in shown.stderr
    terminal.accounts = [wrong]
    failed = terminal("status")
    assert isinstance(failed.exception, VendorError)
    assert failed.exception.exit_code == 1


def test_set_sends_both_sides_in_one_call(terminal: Terminal, rig: Rig) -> None:
    """And one side alone leaves the other as it is."""
    done = terminal("set", "--left", "-40", "--right", "15", "--duration", "3600")
    assert (done.exit_code, rig.calls["temperature"]) == (0, 1)
    assert done.stdout == f"{rig.world.beds()[0].device_id}: left -40, right +15 for 1 h 00 min.\n"
    hour = datetime(2026, 3, 1, 13, tzinfo=UTC)
    assert sides(rig) == ((-40, hour), (15, hour))
    done = terminal("set", "--right", "-100")
    assert done.stdout.endswith(": right -100 until told otherwise.\n")
    assert sides(rig) == ((-40, hour), (-100, None))


@pytest.mark.parametrize(
    ("words", "left", "right"),
    [
        (["on"], (0, None), (0, None)),
        (["off"], (0, None), (0, None)),
        (["off", "--side", "left"], (0, None), (33, None)),
        (["on", "--side", "right"], (33, None), (0, None)),
        (["preset", "sleep"], (-40, datetime(2026, 3, 1, 20, tzinfo=UTC)), (-40, datetime(2026, 3, 1, 20, tzinfo=UTC))),
        (["preset", "wake", "--side", "right"], (33, None), (15, datetime(2026, 3, 1, 12, 30, tzinfo=UTC))),
        (["preset", "off"], (0, None), (0, None)),
        (["preset", "mine"], (7, datetime(2026, 3, 1, 12, 1, tzinfo=UTC)), (33, None)),
    ],
)
def test_sides_and_presets(terminal: Terminal, rig: Rig, words: list[str], left: Any, right: Any) -> None:
    """What the reference says they are, on the side that is meant; on and off are both neutral."""
    terminal.schedule("timezone: UTC\npresets: {mine: {left: 7, duration: 60}}\n")
    for side in rig.world.beds()[0].sides.values():
        side.set(33, 0, rig.clock.now)
    assert terminal(*words).exit_code == 0
    assert (sides(rig), rig.calls["temperature"]) == ((left, right), 1)


REFUSED = {
    "set": "Nothing was sent: no side is given a level: name left, right or both.",
    "set --left 101": "Nothing was sent: a level is not from -100 to 100: correct it.",
    "set --right -101": "Nothing was sent: a level is not from -100 to 100: correct it.",
    "set --left 1 --duration -1": "Nothing was sent: the duration is not from 0 to 31622400 seconds: correct it.",
    "preset canary": "There is no such preset: there are sleep, wake, off.",
    "off --account 2": "--account must be from 1 to 1, in the order of the settings.",
    "status --account 0": "--account must be from 1 to 1, in the order of the settings.",
    "schedule show": "There is no bed schedule: write bed-schedule.yaml into the home, or set NIGHTSHIFT_BED_SCHEDULE; "
    "docs/eight-sleep.md shows one.",
    "watch --every 1": "--every must be at least 2 seconds for 1 bed(s): Eight Sleep allows 30 looks a minute.",
}


@pytest.mark.parametrize("words", REFUSED)
def test_wrong_words_are_refused_before_any_call(terminal: Terminal, rig: Rig, words: str) -> None:
    """In one sentence, with exit code 2."""
    assert refusal(terminal(*words.split())) == REFUSED[words]
    assert not rig.calls


@pytest.mark.parametrize("words", ["set --left cold", "off --side middle", "set --left 1.5", "watch --every often"])
def test_words_that_are_no_values_are_usage_errors(terminal: Terminal, rig: Rig, words: str) -> None:
    """Exit code 2, and no call."""
    assert terminal(*words.split()).exit_code == 2
    assert not rig.calls


def test_without_an_account_nothing_works_and_that_is_told(terminal: Terminal) -> None:
    """With what to set."""
    terminal.accounts = []
    for words in (["status"], ["off"], ["watch"], ["users"]):
        assert refusal(terminal(*words)) == (
            "No Eight Sleep account is set: put EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD, or "
            "EIGHT_SLEEP_ACCOUNTS_FILE, into .env."
        )


def test_of_several_beds_one_is_named(terminal: Terminal, rig: Rig) -> None:
    """By either of its ids, from stdin if need be; none is told by chance."""
    share(rig)
    second = rig.world.beds()[1]
    assert refusal(terminal("off")) == (
        "There are 2 beds: say which with --bed; nightshift bed status shows their names."
    )
    assert terminal("set", "--left", "5", "--bed", second.device_id).exit_code == 0
    assert terminal("set", "--right", "6", "--bed", "-", stdin=f"{second.id}\n").exit_code == 0
    assert [side[0] for side in (*sides(rig), *sides(rig, 1))] == [0, 0, 5, 6]
    assert "no such" not in (sentence := refusal(terminal("off", "--bed", "canary")))
    assert sentence == "No account has a bed of this name: nightshift bed status shows their names."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["set", "--left", "-5"], "the bed: would be told left -5 until told otherwise; no call was made.\n"),
        (["preset", "sleep", "--bed", "POD1"], "POD1: would be told left -40, right -40 for 8 h 00 min; no call was "
         "made.\n"),
        (["off", "--side", "left"], "the bed: would be told left 0 until told otherwise; no call was made.\n"),
        (["schedule", "apply"], "every bed: would be told left -20, right -20 for 10 h 00 min, unless it shows that "
         "already; no call was made.\n"),
    ],
)  # fmt: skip
def test_a_dry_run_makes_no_call(terminal: Terminal, rig: Rig, words: list[str], said: str) -> None:
    """Not even a login."""
    terminal.schedule("timezone: UTC\nentries: [{at: '10:00', left: -20, right: -20}, {at: '22:00', preset: off}]\n")
    done = terminal(*words, "--dry-run")
    assert (done.exit_code, done.stdout) == (0, said)
    assert not rig.calls


def test_commands_that_follow_each_other_wait(terminal: Terminal, rig: Rig) -> None:
    """Three seconds at least between two processes' commands to a bed."""
    for level in ("1", "2", "3"):
        terminal("set", "--left", level)
    times = [moment for moment, group, _ in rig.limits.arrivals if group == "temperature"]
    assert [later - earlier for earlier, later in pairwise(times)] == [3.0, 3.0]


def test_show_tells_local_times_and_utc(terminal: Terminal, rig: Rig) -> None:
    """What holds and what comes in 24 hours, over a clock change as well; no call is made."""
    rig.clock.now = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    terminal.schedule(
        "timezone: Europe/Berlin\nentries:\n  - {at: '22:00', left: -20, right: -20}\n"
        "  - {at: '06:00', preset: wake}\n  - {at: '02:30', left: 0, bed: POD1}\n"
    )
    shown = [" ".join(line.split()) for line in terminal("schedule", "show").stdout.splitlines()]
    assert [line for line in shown if line.startswith("every other bed")] == [
        "every other bed now +15, heating +15, heating 9 h 00 min",
        "every other bed Sat 2026-03-28 22:00 +01:00 2026-03-28 21:00 -20, cooling -20, cooling 7 h 00 min",
        "every other bed Sun 2026-03-29 06:00 +02:00 2026-03-29 04:00 +15, heating +15, heating 16 h 00 min",
    ]
    assert "POD1 Sun 2026-03-29 03:00 +02:00 2026-03-29 01:00 0, neutral or off 3 h 00 min" in shown
    assert not rig.calls


def test_apply_is_told_once(terminal: Terminal, rig: Rig) -> None:
    """For what is left of the entry; a second time nothing is sent."""
    terminal.schedule("timezone: UTC\nentries: [{at: '10:00', left: -20, right: 5}, {at: '22:00', preset: off}]\n")
    assert terminal("schedule", "apply").stdout == "1 bed(s) told, 0 as they should be.\n"
    until = datetime(2026, 3, 1, 22, tzinfo=UTC)
    assert sides(rig) == ((-20, until), (5, until))
    assert terminal("schedule", "apply").stdout == "0 bed(s) told, 1 as they should be.\n"
    assert rig.calls["temperature"] == 1


def test_apply_tells_what_failed_and_which_beds_are_not_there(terminal: Terminal, rig: Rig) -> None:
    """Exit code 3 if something was done, 1 if nothing was; 2 with a line for a wrong file."""
    terminal.schedule("timezone: UTC\nentries: [{at: '10:00', left: -20}, {at: '11:00', left: 1, bed: canary}]\n")
    done = terminal("schedule", "apply")
    assert (done.exit_code, done.stdout) == (3, "1 bed(s) told, 0 as they should be, 1 named that no account has.\n")
    rig.world.beds()[0].online = False
    failed = terminal("schedule", "apply")
    assert isinstance(failed.exception, NightshiftError)
    assert failed.exception.exit_code == 1
    terminal.schedule("timezone: UTC\nentries:\n  - at: canary\n")
    assert refusal(terminal("schedule", "apply")).startswith("The bed schedule, line 3: at is not a local time")


def test_users_are_lines_for_the_roster(terminal: Terminal, rig: Rig) -> None:
    """Both sleepers of each bed, who is rostered with our id and zone; what is printed can be imported."""
    share(rig)
    sleepers = list(dict.fromkeys(sleeper.user_id for sleeper in rig.world.accounts()))
    with terminal.home.state.write() as connection:
        put_users(connection, [RosterUser(EIGHT_SLEEP, "anna", timezone="Asia/Seoul", vendor_user_id=sleepers[0])])
    printed = terminal("users")
    assert printed.exit_code == 0
    header, first, *rest = printed.stdout.splitlines()
    assert header == "user_id,timezone,source,vendor_user_id"
    assert first == f"anna,Asia/Seoul,eight_sleep,{sleepers[0]}"
    assert [line.split(",")[3] for line in (first, *rest)] == sleepers
    assert "nightshift users import FILE.csv" in printed.stderr
    file = rig.root / "roster.csv"
    file.write_text(printed.stdout)
    users = read_roster_csv(file, ASLEEP)
    assert [(user.source, user.asked_as) for user in users] == [(EIGHT_SLEEP, sleeper) for sleeper in sleepers]
    with terminal.home.state.write() as connection:
        put_users(connection, users)
        assert len(list_users(connection)) == len(sleepers)


def test_users_without_a_zone_are_pointed_out(terminal: Terminal, rig: Rig) -> None:
    """The bed's zone is told by the community clients' API only; without it the column is empty."""
    rig.faults.set(Fault("failed", "bed", None))
    printed = terminal("users")
    assert all(line.split(",")[1] == "" for line in printed.stdout.splitlines()[1:])
    assert "Some time zones are not known" in printed.stderr


def test_watch_ends_cleanly(terminal: Terminal, rig: Rig) -> None:
    """Ctrl-C is how it ends: exit code 0; changes on stdout, the rest on stderr."""
    side = rig.world.beds()[0].sides["left"]
    side.presence = False

    async def sleep(seconds: float) -> None:
        rig.clock.forward(seconds)
        if side.presence:
            raise KeyboardInterrupt
        side.presence = True

    terminal.accounts = [rig.connection(sleep=sleep)]
    ended = terminal("watch", "--every", "10")
    assert ended.exit_code == 0
    assert ended.stdout == f"2026-03-01T12:00:10Z {rig.world.beds()[0].device_id} left: in bed\n"
    assert ended.stderr.endswith("Not watching any more.\n")


@pytest.mark.parametrize(("options", "kept"), [((), 0), (("--record",), 12)])
def test_watch_keeps_its_looks_when_told(options: tuple[str, ...], kept: int, terminal: Terminal, rig: Rig) -> None:
    """Each look is a raw document for the tables of beds, those before Ctrl-C too; otherwise nothing is written."""
    looks = iter(range(11))

    async def sleep(seconds: float) -> None:
        rig.clock.forward(seconds)
        if next(looks, None) is None:
            raise KeyboardInterrupt

    terminal.accounts = [rig.connection(sleep=sleep)]
    assert terminal("watch", "--every", "10", *options).exit_code == 0
    home = terminal.accounts[0].home
    assert len(home.raw.current_of_all_dates("eight_sleep", "bed_status")) == kept


def test_an_unreachable_vendor_is_one_sentence(terminal: Terminal, rig: Rig) -> None:
    """Exit code 1."""
    terminal.accounts = [rig.connection(auth_url=NOBODY_LISTENS, client_url=NOBODY_LISTENS)]
    failed = terminal("off")
    assert isinstance(failed.exception, VendorError)
    assert str(failed.exception).startswith("No answer from http://127.0.0.1:1")
    assert failed.exception.exit_code == 1
