"""The ledger: what is known of sessions and documents, and who is still to be pulled."""

import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.state.database import State
from connectors.state.ledger import (
    COMPLETE,
    DELETED,
    OWED,
    PENDING,
    LedgerDocument,
    LedgerSession,
    clear_unpulled,
    count_sessions,
    days_of,
    documents_of,
    months_of,
    owe_average_stats,
    put_documents,
    put_sessions,
    put_unpulled,
    sessions_of,
    unpulled,
    unpulled_days,
)
from connectors.state.tables import sessions
from schemas.documents import AVERAGE_STATS, USER

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


DAYS = (date(2026, 1, 1), date(2026, 1, 2))


def session(user_id: str, session_id: str, **changes: Any) -> LedgerSession:
    """A pending session of a user, with changes."""
    plain = LedgerSession(
        source="asleep",
        user_id=user_id,
        session_id=session_id,
        org_id="default",
        partition=date(2026, 11, 21),
        fingerprint="f",
        verdict=PENDING,
        content_hash=None,
        revision=0,
        first_seen_at=NOW,
        changed_at=NOW,
    )
    return replace(plain, **changes)


def month(user_id: str, document_id: str, **changes: Any) -> LedgerDocument:
    """The statistics of a month, with changes."""
    return replace(LedgerDocument("asleep", AVERAGE_STATS, user_id, document_id, "hash", NOW), **changes)


any_session = st.builds(
    session,
    user_id=st.sampled_from(["anna", "bert"]),
    session_id=st.sampled_from(["1", "2", "3"]),
    source=st.sampled_from(["asleep", "eight_sleep"]),
    partition=st.dates(),
    fingerprint=st.text("abc", max_size=3),
    verdict=st.sampled_from([COMPLETE, PENDING, DELETED]),
    content_hash=st.none() | st.text("abc", max_size=3),
    revision=st.integers(0, 9),
    averaged_hash=st.none() | st.text("abc", max_size=3),
    changed_at=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@settings(max_examples=40, deadline=None)
@given(puts=st.lists(st.lists(any_session, max_size=4), max_size=3))
def test_what_was_put_last_is_what_is_known(shared_state: State, puts: list[list[LedgerSession]]) -> None:
    """Sessions come back as they were last put, by user and in the order of their ids; sources do not mix."""
    with shared_state.write() as connection:
        connection.execute(sessions.delete())
        known: dict[tuple[str, str, str], LedgerSession] = {}
        for put in puts:
            put_sessions(connection, put)
            known |= {(row.source, row.user_id, row.session_id): row for row in put}
        for source in ("asleep", "eight_sleep"):
            found = sessions_of(connection, source, ["anna", "bert", "carl"])
            assert found == {
                user_id: [row for key, row in sorted(known.items()) if key[:2] == (source, user_id)]
                for user_id in ("anna", "bert", "carl")
            }
        for verdict in (COMPLETE, PENDING, DELETED):
            assert count_sessions(connection, verdict) == sum(row.verdict == verdict for row in known.values())


def test_documents_come_back_as_last_put(state: State) -> None:
    """By user, then by kind and id; a user of whom nothing is known has none."""
    user = replace(month("anna", "anna"), document=USER)
    october, november = month("anna", "2026-10"), month("anna", "2026-11")
    newer = replace(november, content_hash="other", fetched_at=NOW + timedelta(days=1))
    with state.write() as connection:
        put_documents(connection, [user, october, november, replace(october, source="eight_sleep")])
        put_documents(connection, [newer])
        assert documents_of(connection, "asleep", ["anna", "bert"]) == {
            "anna": {
                (USER, "anna"): user,
                (AVERAGE_STATS, "2026-10"): october,
                (AVERAGE_STATS, "2026-11"): newer,
            },
            "bert": {},
        }


def test_partitions_of_users_are_those_with_data(state: State) -> None:
    """Days of the users' sessions, months of their statistics; nobody else's, and no other source's."""
    with state.write() as connection:
        put_sessions(connection, [session("anna", "1"), session("anna", "2", partition=date(2024, 2, 29))])
        put_sessions(connection, [session("bert", "3", partition=date(2025, 1, 1)), session("bert", "5")])
        put_sessions(connection, [session("anna", "4", source="eight_sleep", partition=date(2025, 1, 2))])
        put_documents(connection, [month("anna", "2026-10"), month("bert", "2026-09"), month("bert", "2026-10")])
        put_documents(connection, [month("anna", "anna", document=USER)])
        assert days_of(connection, "asleep", ["anna"]) == {"2024-02-29", "2026-11-21"}
        assert months_of(connection, "asleep", ["anna"]) == {"2026-10"}
        assert days_of(connection, "asleep", ["anna", "bert"]) == {"2024-02-29", "2025-01-01", "2026-11-21"}
        assert months_of(connection, "asleep", ["anna", "bert"]) == {"2026-09", "2026-10"}
        assert days_of(connection, "asleep", []) == months_of(connection, "asleep", []) == set()


def test_partitions_of_very_many_users_are_found(state: State) -> None:
    """More users than a statement can have parameters; the last of them counts like the first."""
    crowd = [str(number) for number in range(1200)]
    with state.write() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
        put_sessions(connection, [session(user_id, "1") for user_id in (crowd[0], crowd[600], crowd[-1])])
        put_sessions(connection, [session(crowd[-1], "2", partition=date(2025, 1, 1))])
        put_documents(connection, [month(crowd[0], "2026-10"), month(crowd[-1], "2026-11")])
        assert days_of(connection, "asleep", crowd) == {"2026-11-21", "2025-01-01"}
        assert months_of(connection, "asleep", crowd) == {"2026-10", "2026-11"}


def test_owed_statistics_are_those_of_one_user_and_keep_their_months(state: State) -> None:
    """After a change of zone every month of the user's is to be asked for again; other documents stay as they are."""
    user = month("anna", "anna", document=USER)
    others = [month("bert", "2026-10"), month("anna", "2026-10", source="eight_sleep")]
    with state.write() as connection:
        put_documents(connection, [month("anna", "2026-10"), month("anna", "2026-11"), user, *others])
        owe_average_stats(connection, "asleep", "anna")
        known = documents_of(connection, "asleep", ["anna", "bert"])
        assert known["anna"] == {
            (AVERAGE_STATS, "2026-10"): month("anna", "2026-10", content_hash=OWED),
            (AVERAGE_STATS, "2026-11"): month("anna", "2026-11", content_hash=OWED),
            (USER, "anna"): user,
        }
        assert list(known["bert"].values()) == others[:1]
        assert list(documents_of(connection, "eight_sleep", ["anna"])["anna"].values()) == others[1:]
        assert months_of(connection, "asleep", ["anna"]) == {"2026-10", "2026-11"}


def test_users_are_unpulled_until_they_are_cleared(state: State) -> None:
    """The newest reason counts; clearing some, or some at another source, leaves the others."""
    with state.write() as connection:
        put_unpulled(connection, "asleep", {"anna": "not_asked", "bert": "not_asked"}, NOW, DAYS)
        put_unpulled(connection, "eight_sleep", {"anna": "not_asked"}, NOW, DAYS)
        put_unpulled(connection, "asleep", {"bert": "server_failed"}, NOW, DAYS)
        put_unpulled(connection, "asleep", {}, NOW, DAYS)
        assert unpulled(connection, "asleep") == {"anna": "not_asked", "bert": "server_failed"}
        clear_unpulled(connection, "asleep", ["anna", "nobody"], DAYS)
        clear_unpulled(connection, "asleep", [], DAYS)
        assert unpulled(connection, "asleep") == {"bert": "server_failed"}
        assert unpulled(connection, "eight_sleep") == {"anna": "not_asked"}


def test_what_is_known_does_not_show_of_whom() -> None:
    """Neither repr holds an id, a hash or a fingerprint."""
    assert repr(session("canary", "canary", content_hash="canary")) == (
        "LedgerSession(partition=2026-11-21, verdict=pending, revision=0)"
    )
    assert repr(month("canary", "2026-11", content_hash="canary")) == "LedgerDocument(document=average_stats)"


def test_who_was_left_for_more_days_stays_unpulled(state: State) -> None:
    """A backfill that missed somebody is not forgotten by the next nightly pull."""
    january, night = (date(2026, 1, 1), date(2026, 1, 31)), (date(2026, 3, 1), date(2026, 3, 2))
    with state.write() as connection:
        put_unpulled(connection, "asleep", {"anna": "server_failed"}, NOW, january)
        put_unpulled(connection, "asleep", {"anna": "not_asked", "bert": "not_asked"}, NOW, night)
        clear_unpulled(connection, "asleep", ["anna", "bert"], night)
        assert unpulled(connection, "asleep") == {"anna": "not_asked"}
        assert unpulled_days(connection, "asleep") == (january[0], night[1])
        clear_unpulled(connection, "asleep", ["anna"], (january[0], night[1]))
        assert unpulled_days(connection, "asleep") is None
