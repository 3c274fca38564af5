"""Checks on the marts: keys, nulls, ranges, and that every session of the lake is in them exactly once.

Each is a query for how many rows are wrong, over the relations that the marts were computed from and the marts.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from schemas.marts import (
    AGREEMENT_FIGURES,
    COHORT_DAYS,
    MART_TABLES,
    NIGHTS,
    SOURCE_AGREEMENT,
    SOURCE_AGREEMENT_NIGHTS,
    USER_MONTHS,
    USER_WEEKS,
)
from schemas.tables import Table

_NEVER_NEGATIVE = frozenset({"s", "count", "days", "nights", "users", "events/h", "fraction"})
_SIGNED = frozenset({"bias_s", "lower_limit_s", "upper_limit_s", *(f"{name}_difference" for name in AGREEMENT_FIGURES)})


@dataclass(frozen=True, slots=True)
class MartCheck:
    """How many rows fail a check. ``ours``: it is wrong by our own doing, and must not be loaded."""

    mart: str
    name: str
    wrong: int
    ours: bool = True

    @property
    def passed(self) -> bool:
        """Whether no row fails."""
        return not self.wrong


def check_marts(connection: duckdb.DuckDBPyConnection, computed: Collection[Table] = MART_TABLES) -> list[MartCheck]:
    """Every check on every mart; relations of the marts and of their inputs are in the connection.

    A mart that was not computed, because there is nothing for it, has nothing wrong.

    Raises: duckdb.Error.
    """
    checks = []
    for table in MART_TABLES:
        for name, query, ours in (*_of_any(table), *_OF_ONE.get(table.name, ())):
            wrong = connection.execute(query).fetchall()[0][0] if table in computed else 0
            checks.append(MartCheck(table.name, name, int(wrong), ours))
    return checks


def _of_any(table: Table) -> Iterator[tuple[str, str, bool]]:
    key = ", ".join(table.key)
    required = [field.name for field in table.schema if not field.nullable]
    nulls = " OR ".join(f"{name} IS NULL" for name in required)
    yield "unique_key", f"SELECT count(*) - count(DISTINCT ({key})) FROM {table.name}", True  # noqa: S608 - ours
    yield "not_null", f"SELECT count(*) FROM {table.name} WHERE {nulls}", True  # noqa: S608 - names are ours
    ranges = " OR ".join(_out_of_range(table))
    yield "ranges", f"SELECT count(*) FROM {table.name} WHERE {ranges}", False  # noqa: S608 - names are ours


def _out_of_range(table: Table) -> Iterator[str]:
    for field in table.schema:
        unit = table.unit(field.name)
        if unit in _NEVER_NEGATIVE and field.name not in _SIGNED:
            yield f"{field.name} < 0"
        if unit == "fraction":
            yield f"{field.name} > 1"
        if pa.types.is_floating(field.type):
            yield f"isnan({field.name}) OR isinf({field.name})"


_LISTED = """
SELECT user_id, night_of, unnest(
    list_concat(
        [main_session_id], further_session_ids, nap_session_ids, without_sleep_session_ids, overlapped_session_ids
    )
) AS session_id
FROM nights
"""
_COUNTED = f"""
SELECT n.user_id, n.night_of, sum(s.total_sleep_time_s) AS asleep_s, max(s.sources) AS sources
FROM nights AS n
JOIN ({_LISTED}) AS i USING (user_id, night_of)
JOIN (
    SELECT user_id, night_of, session_id, max(total_sleep_time_s) AS total_sleep_time_s, count(*) AS sources
    FROM sleep_sessions GROUP BY ALL
) AS s ON s.user_id = i.user_id AND s.night_of = i.night_of AND s.session_id = i.session_id
WHERE i.session_id = n.main_session_id
    OR list_contains(n.further_session_ids, i.session_id)
    OR list_contains(n.nap_session_ids, i.session_id)
GROUP BY ALL
"""  # noqa: S608 - every name in it is ours


def _same_sums(table: Table) -> str:
    """How far a mart of periods is from the nights it sums up."""
    names = ("nights_expected", "nights_with_data", "nights_in_means", "naps")
    of_nights = ("count(verdict)", "count(main_session_id)", "count(*) FILTER (in_means)", "sum(naps)")
    apart = " + ".join(
        f"abs(coalesce((SELECT sum({name}) FROM {table.name}), 0) "  # noqa: S608 - names are ours
        f"- coalesce((SELECT {of} FROM nights), 0))"
        for name, of in zip(names, of_nights, strict=True)
    )
    return f"SELECT {apart}"


_OF_ONE: dict[str, tuple[tuple[str, str, bool], ...]] = {
    NIGHTS.name: (
        (
            # Under its own night, under one kind, once; and nothing else is listed.
            "every_session_once",
            f"""
            SELECT count(*) FROM (
                SELECT user_id, night_of, session_id, sum(one) AS times FROM (
                    SELECT user_id, night_of, session_id, 1 AS one FROM sleep_sessions
                    UNION ALL
                    SELECT user_id, night_of, session_id, -1 FROM ({_LISTED}) WHERE session_id IS NOT NULL
                ) GROUP BY ALL
            ) WHERE times <> 0
            """,  # noqa: S608 - every name in it is ours
            True,
        ),
        (
            "every_expected_night",
            # With the verdict of one of its sources.
            "SELECT count(*) FROM (SELECT user_id, night_of, list(verdict) AS verdicts FROM night_ledger GROUP BY ALL) "
            "AS l FULL JOIN (SELECT * FROM nights WHERE verdict IS NOT NULL) AS n USING (user_id, night_of) "
            "WHERE NOT coalesce(list_contains(l.verdicts, n.verdict), false)",
            True,
        ),
        (
            "sources_are_those_of_the_sessions",
            "SELECT count(*) FROM nights AS n LEFT JOIN (SELECT user_id, night_of, list_sort(list(DISTINCT source)) "
            "AS found FROM sleep_sessions GROUP BY ALL) AS s USING (user_id, night_of) "
            "WHERE coalesce(s.found, []) <> n.sources "
            "OR (len(n.sources) > 0 AND n.main_session_id IS NOT NULL AND NOT list_contains(n.sources, n.source))",
            True,
        ),
        (
            "kinds_are_the_sessions",
            "SELECT count(*) FROM nights WHERE sessions <> further_sleeps + naps + without_sleep + overlapped "
            "+ CASE WHEN main_session_id IS NULL THEN 0 ELSE 1 END OR len(nap_session_ids) <> naps "
            "OR len(further_session_ids) <> further_sleeps OR len(overlapped_session_ids) <> overlapped",
            True,
        ),
        (
            "parts_are_the_recorded_time",
            "SELECT count(*) FROM nights WHERE overlapped_only_s < 0 OR abs(main_tracked_s + further_tracked_s "
            "+ nap_tracked_s + without_sleep_tracked_s + overlapped_only_s - recorded_s) > 0.001",
            True,
        ),
        (
            # Unless two sources have a session of one id: lists of ids do not say whose.
            "sleep_is_that_of_the_sessions",
            f"SELECT count(*) FROM nights AS n LEFT JOIN ({_COUNTED}) AS c USING (user_id, night_of) "  # noqa: S608 - names are ours
            "WHERE n.asleep_s IS NOT NULL AND n.asleep_s IS DISTINCT FROM c.asleep_s AND coalesce(c.sources, 1) = 1",
            True,
        ),
        (
            # Not ours to stop for: a ledger that is about to be built again may still name a session that is gone.
            "main_is_the_ledgers",
            "SELECT count(*) FROM nights AS n JOIN night_ledger AS l USING (source, user_id, night_of) "
            "WHERE n.main_session_id IS DISTINCT FROM l.main_session_id",
            False,
        ),
    ),
    USER_WEEKS.name: (("sums_are_those_of_nights", _same_sums(USER_WEEKS), True),),
    USER_MONTHS.name: (("sums_are_those_of_nights", _same_sums(USER_MONTHS), True),),
    SOURCE_AGREEMENT_NIGHTS.name: (
        (
            "pairs_are_sessions_of_the_night",
            "SELECT count(*) FROM source_agreement_nights AS a "
            "LEFT JOIN sleep_sessions AS s ON s.user_id = a.user_id AND s.session_id = a.phone_session_id "
            "AND s.night_of = a.night_of AND epoch(s.end_time - s.start_time) >= a.common_s "
            "WHERE s.session_id IS NULL OR a.epochs + a.unknown_epochs > a.common_s / 30 + 1 "
            "OR a.stage_epochs > a.epochs",
            True,
        ),
        (
            "kappa_is_between_its_bounds",
            "SELECT count(*) FROM source_agreement_nights WHERE sleep_wake_kappa NOT BETWEEN -1 AND 1 "
            "OR stage_kappa NOT BETWEEN -1 AND 1",
            True,
        ),
    ),
    SOURCE_AGREEMENT.name: (
        (
            "sums_are_those_of_nights",
            "SELECT abs(coalesce((SELECT sum(epochs) FROM source_agreement WHERE metric = 'sleep_wake'), 0) "
            "- 2 * coalesce((SELECT sum(epochs) FROM source_agreement_nights), 0)) "
            "+ abs((SELECT count(*) FROM source_agreement WHERE user_id <> '') "
            "- 5 * (SELECT count(DISTINCT (org_id, user_id)) FROM source_agreement_nights))",
            True,
        ),
    ),
    COHORT_DAYS.name: (
        (
            "sums_are_those_of_nights",
            "SELECT abs(coalesce((SELECT sum(users_expected) FROM cohort_days), 0) "
            "- (SELECT count(*) FROM nights WHERE verdict IS NOT NULL)) "
            "+ abs(coalesce((SELECT sum(users_in_means) FROM cohort_days), 0) "
            "- (SELECT count(*) FROM nights WHERE verdict IS NOT NULL AND in_means))",
            True,
        ),
    ),
}

CHECK_NAMES: dict[str, tuple[str, ...]] = {
    table.name: tuple(name for name, _, _ in (*_of_any(table), *_OF_ONE.get(table.name, ()))) for table in MART_TABLES
}
"""The checks that each mart has."""
