"""The page ``docs/tables.md``: lake tables, marts, stage codes, the warehouse's view and the FHIR codes, as Markdown.

``python -m schemas.tables_page`` prints it. What a column or a metric means is said in ``tables`` and ``metrics`` only;
here is nothing but their arrangement, and where the files lie.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from schemas.bed_lineage import bed_lineage
from schemas.bed_tables import BED_TABLES
from schemas.lineage import Lineage, lake_lineage, mart_lineage
from schemas.marts import MART_PARTITIONS, MART_TABLES
from schemas.metrics import LOINC, METRICS, PHR_SLEEP_EPISODE, Coding, Metric
from schemas.stages import FOUR_STAGE, STAGE_NAMES, TWO_STAGE, from_asleep_codes
from schemas.tables import AVERAGE_STATS, LAKE_TABLES, LIVE_SESSIONS, USERS, Table

EPOCH_VIEW: tuple[tuple[str, str, str], ...] = (
    ("source", "VARCHAR", "Where the data comes from: asleep or eight_sleep."),
    ("user_id", "VARCHAR", "The user's id at the source."),
    ("session_id", "VARCHAR", "The session's id at the source."),
    ("epoch", "BIGINT", "Index of the epoch, counted from 0."),
    ("start_time", "TIMESTAMP WITH TIME ZONE", "Start of the epoch."),
    ("sleep_stage", "TINYINT", "Stage as a code."),
    ("stage", "VARCHAR", "Stage as a name."),
    ("breath_stage", "TINYINT", "-1 unknown, 0 stable, 1 unstable; null without breathing analysis."),
    ("snoring_stage", "TINYINT", "-1 unknown, 0 no snoring, 1 snoring; null without snoring analysis."),
)
"""Columns of the warehouse's view ``sleep_epochs``: name, DuckDB type, meaning."""

_ASLEEP_CODES = (-1, 0, 1, 2, 3)
_SYSTEMS = {LOINC: "LOINC", PHR_SLEEP_EPISODE: "HL7 PHR", None: "sleep-metric"}

_INTRODUCTION = """\
# Tables

Made from `schemas/tables.py`, `schemas/bed_tables.py`, `schemas/marts.py` and `schemas/metrics.py` by `make docs`.

Times are UTC with microseconds; `night_of` and `wake_date` are local dates. Durations are seconds, ratios fractions.
Null means that the vendor did not say, never zero. A partition without rows has no file. "From" names a field of the
vendor's answer by its path (`sessions.$.result.stat.sleep_latency`), or a column of another table.

The tables of beds (`bed_...`) are empty in a home without one. Their vendor publishes no API; fields are named as
community clients and the SmartBedAPI reference name them. Which beds are polled, and when, is a schedule that is off
by default: without polls `bed_status` and `bed_presence` stay empty.
"""

_STAGES = """\
## Stage codes

`sleep_hypnograms` holds codes, `sleep_stage_intervals` names. Asleep sends its own codes: a plan that does not tell the
stages apart (`has_stages` = 2-stage) says 1 for any sleep. A code that is not in this table becomes -1.
"""

_WAREHOUSE = """\
## Warehouse

The warehouse has the same tables under the same names, the marts, and:

- `sleep_sessions_as_of(moment)`: the rows of `sleep_sessions` as they counted at that moment, for example
  `from sleep_sessions_as_of('2026-11-01 04:00:00+00')`. A moment without an offset is in the zone of the connection.
- the view `sleep_epochs`: one row is one epoch of a session.
"""

_MARTS = """\
## Marts

Computed from the tables above whenever one of them has changed, by the SQL in `assets/marts`, which says the rules in
plain words: what the main sleep is, what counts as a nap, what of overlapping recordings counts. They are in the
warehouse only.
"""

_FHIR = """\
## FHIR codes

Total sleep time is the value of a night's Observation, every other metric one of its components; those that are
averaged are components of a month's Observation too. `sleep-metric` is Nightshift's own code system,
`{base}/CodeSystem/sleep-metric`; the first code leads. The value in FHIR is the column times the factor. Beside them
stand the fields of the same meaning in IEEE 1752.1 and in Google Health's sleep summary.
"""


def page() -> str:
    """The whole page, ending in a newline."""
    sections = (
        _INTRODUCTION,
        *map(_table_section, LAKE_TABLES),
        _stages_section(),
        _warehouse_section(),
        _table_section(LIVE_SESSIONS),
        _MARTS,
        *map(_table_section, (*MART_TABLES, MART_PARTITIONS)),
        _fhir_section(),
    )
    return "\n".join(sections)


def file_of(table: Table) -> str:
    """Where the one file of a table and partition lies under the home, with the partition as a pattern."""
    partition = {USERS.name: "", AVERAGE_STATS.name: "month=YYYY-MM/"}.get(table.name, "date=YYYY-MM-DD/")
    return f"lake/{table.name}/{partition}{table.name}.parquet"


def _table_section(table: Table) -> str:
    lineage = _lineage(table)
    rows = [
        (
            f"`{field.name}`",
            f"`{_type(field)}`",
            table.unit(field.name),
            _yes(field.nullable),
            table.description(field.name),
            "<br>".join(f"`{origin.name}.{origin.column}`" for origin in lineage.get(field.name, ())),
        )
        for field in table.schema
    ]
    return "\n".join(
        (
            f"## {table.name}\n",
            f"One row is {table.row}.\n",
            f"- key: {_names(table.key)}",
            _whereabouts(table),
            _grid(("column", "type", "unit", "null", "meaning", "from"), rows),
        )
    )


def _lineage(table: Table) -> Lineage:
    if table in BED_TABLES:
        return bed_lineage(table)
    return lake_lineage(table) if table in LAKE_TABLES else mart_lineage(table)


def _whereabouts(table: Table) -> str:
    if table in LAKE_TABLES:
        return f"- file: `{file_of(table)}`, sorted by {_names(table.sort_by)}\n"
    return f"- replaced by: `{table.partition_column}`\n" if table.partition_column else ""


def _type(field: pa.Field) -> str:
    # Arrow names the member of a list differently from version to version.
    kind = field.type
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)


def _stages_section() -> str:
    rows = [
        (str(code), name, _asleep_code(code, FOUR_STAGE), _asleep_code(code, TWO_STAGE))
        for code, name in STAGE_NAMES.items()
    ]
    return f"{_STAGES}\n{_grid(('code', 'stage', 'Asleep, 4-stage', 'Asleep, 2-stage'), rows)}"


def _asleep_code(code: int, has_stages: str) -> str:
    """Asleep's code for a lake code, or nothing; -1 is also what every unknown code becomes."""
    same = (theirs for theirs in _ASLEEP_CODES if from_asleep_codes([theirs], has_stages) == [code])
    return str(next(same, ""))


def _warehouse_section() -> str:
    rows = [(f"`{name}`", f"`{kind}`", meaning) for name, kind, meaning in EPOCH_VIEW]
    return f"{_WAREHOUSE}\n{_grid(('column', 'type', 'meaning'), rows)}"


def _fhir_section() -> str:
    head = ("metric", "FHIR codes", "display", "unit", "factor", "Asleep field", "averaged", "IEEE 1752.1", "Google")
    return f"{_FHIR}\n{_grid(head, map(_fhir_row, METRICS))}"


def _fhir_row(metric: Metric) -> Sequence[str]:
    fhir = metric.fhir
    return (
        f"`{metric.name}`",
        "; ".join(map(_code, fhir.codings)),
        fhir.codings[0].display,
        f"`{fhir.unit}`" if fhir.unit else "",
        str(fhir.scale),
        f"`{metric.asleep_field}`" if metric.asleep_field else "recomputed",
        _yes(metric.averaged),
        f"`{metric.ieee}`" if metric.ieee else "",
        f"`{metric.google}`" if metric.google else "",
    )


def _code(coding: Coding) -> str:
    return f"{_SYSTEMS[coding.system]} `{coding.code}`"


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join(_lines(head, rows))


def _lines(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())
