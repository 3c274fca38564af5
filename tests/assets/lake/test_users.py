"""The table of users: the roster, with what the vendor knows of each."""

from datetime import date, timedelta
from typing import Any

from assets.lake.users import build_users
from connectors.home import Home
from connectors.state.quarantine import list_quarantined
from connectors.state.roster import RosterUser, remove_user
from schemas.asleep import ASLEEP
from schemas.tables import USERS
from tests.assets.homes import follow, sleeper
from tests.assets.lake.documents import FETCHED, USER_ID, user_document
from tests.schemas.samples import USER, changed

KNOWN = RosterUser(ASLEEP, USER_ID, "clinic", "Asia/Seoul", date(2025, 1, 1), date(2027, 12, 31))
UNASKED: dict[str, Any] = {
    "birth_year": None,
    "birth_month": None,
    "birth_day": None,
    "gender": None,
    "height_cm": None,
    "weight_kg": None,
    "to_be_deleted": None,
    "active_from": None,
    "active_to": None,
}


def rows(home: Home) -> list[dict[str, Any]]:
    """What the lake holds."""
    kept: list[dict[str, Any]] = home.lake.read(USERS, "").to_pylist()
    return kept


def test_a_rostered_user_has_a_row_with_what_the_vendor_knows(home: Home) -> None:
    """Label, zone and days from the roster, the person from the newest user document."""
    follow(home, KNOWN)
    heavier = changed(USER, {"result.metadata.weight": 62, "result.metadata.gender": "a_word_of_tomorrow"})
    home.raw.append([user_document(), user_document(heavier, fetched_at=FETCHED + timedelta(days=7))])
    build_users(home)
    assert rows(home) == [
        {
            "org_id": "clinic",
            "source": "asleep",
            "user_id": USER_ID,
            "timezone": "Asia/Seoul",
            "birth_year": 1990,
            "birth_month": 5,
            "birth_day": 15,
            "gender": "a_word_of_tomorrow",
            "height_cm": 168.5,
            "weight_kg": 62.0,
            "to_be_deleted": False,
            "active_from": date(2025, 1, 1),
            "active_to": date(2027, 12, 31),
        }
    ]
    assert (home.root / "lake" / "users" / "users.parquet").exists()


def test_what_is_not_known_is_null(home: Home) -> None:
    """A user the vendor was not asked about yet, and one who told nothing."""
    follow(home, sleeper("G-silent"), sleeper("G-unasked"))
    home.raw.append([user_document(changed(USER, {"result.metadata": None}), user_id="G-silent")])
    built = build_users(home)
    assert (built.documents, built.rows, built.quarantined) == (2, 2, 0)
    of_roster = {"org_id": "clinic", "source": "asleep", "timezone": "Asia/Seoul"}
    assert rows(home) == [
        of_roster | {"user_id": "G-silent"} | UNASKED | {"to_be_deleted": False},
        of_roster | {"user_id": "G-unasked"} | UNASKED,
    ]


def test_who_is_not_on_the_roster_has_no_row(home: Home) -> None:
    """The documents stay in raw; the last user takes the file along."""
    follow(home, sleeper(USER_ID), sleeper("G-other"))
    home.raw.append([user_document(), user_document(user_id="G-never-followed")])
    build_users(home)
    for user_id, left in ((USER_ID, ["G-other"]), ("G-other", [])):
        with home.state.write() as connection:
            assert remove_user(connection, ASLEEP, user_id)
        build_users(home)
        assert [row["user_id"] for row in rows(home)] == left
    assert not (home.root / "lake" / "users" / "users.parquet").exists()
    assert len(home.raw.current_of_all_dates("asleep", "user")) == 2


def test_a_refused_document_costs_the_details_but_not_the_row(home: Home) -> None:
    """It is counted, it is in quarantine, and it leaves when a good one comes."""
    follow(home, sleeper(USER_ID))
    home.raw.append([user_document(b"<html>")])
    built = build_users(home)
    assert (built.documents, built.rows, built.quarantined) == (2, 1, 1)
    assert built.conserved
    assert rows(home)[0]["weight_kg"] is None
    with home.state.read() as connection:
        [entry] = list_quarantined(connection)
    assert (entry.asset, entry.partition, entry.path) == ("users", "all", "$")
    home.raw.append([user_document(fetched_at=FETCHED + timedelta(days=1))])
    assert build_users(home).quarantined == 0
    assert rows(home)[0]["weight_kg"] == 61.2
    with home.state.read() as connection:
        assert list_quarantined(connection) == []


def test_building_again_changes_nothing(home: Home) -> None:
    """Identical to the byte; a change of the roster is a change of the file."""
    follow(home, KNOWN)
    home.raw.append([user_document()])
    path = home.lake.path(USERS, "")
    assert build_users(home).files == 1
    before = path.read_bytes()
    assert build_users(home).files == 0
    path.unlink()
    build_users(home)
    assert path.read_bytes() == before
    follow(home, sleeper(USER_ID, timezone="Europe/Berlin"))
    assert build_users(home).files == 1
    assert rows(home)[0]["timezone"] == "Europe/Berlin"
