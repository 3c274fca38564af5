"""``nightshift explain SESSION``: one night from the vendor's answer to the lake to FHIR, field beside field.

An id that two sources have is shown of both.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import given_id, note, open_settings_and_home, print_table, say
from schemas.documents import SESSION
from schemas.eight_sleep import EIGHT_SLEEP

if TYPE_CHECKING:
    from connectors.home import Home
    from connectors.state.ledger import LedgerSession
    from schemas.explanation import Line

STAGE_COLUMNS = ("sleep_stages", "breath_stages", "snoring_stages")

_STYLE = """\
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1f24; }
h2 { font-size: 1rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: .25rem .6rem; text-align: left; vertical-align: top; }
th { border-bottom: 2px solid #1b1f24; position: sticky; top: 0; background: #fff; }
td { border-bottom: 1px solid #d8dee4; max-width: 22rem; overflow-wrap: anywhere; }
td code { white-space: nowrap; }
td.rule, td.loss { color: #59636e; } code { font: 12px ui-monospace, monospace; }
tr.raw td { color: #59636e; background: #f6f8fa; }
"""


def explain(
    session_id: Annotated[str, typer.Argument(metavar="SESSION", help="The session's id; - reads it from stdin.")],
    user_id: Annotated[
        str | None, typer.Option("--user", help="The user's id, where several have a session of that id.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only of this source: asleep or eight_sleep.")] = None,
    page: Annotated[
        Path | None, typer.Option("--html", help="Write one HTML page into this file instead of the table.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show what became of every field of a session: as sent, in the lake, in FHIR, by which rule, and what was lost.

    It is personal health data.
    """
    _, home = open_settings_and_home()
    sessions = _find(home, given_id(session_id, "session id"), user_id, source)
    nights = {session.source: _explained(home, session) for session in sessions}
    if as_json:
        say(json.dumps([_as_json(told_by, line) for told_by, lines in nights.items() for line in lines]))
    elif page is not None:
        page.write_text(_html(nights), encoding="utf-8")
        note("Written. The page holds personal health data: keep it where the home is kept.")
    else:
        for told_by, lines in nights.items():
            heads = ["sent as", "value", "rule", "lake column", "value", "FHIR", "value", "lost"]
            print_table(heads, map(_cells, lines), f"As told by {told_by}")


def _find(home: "Home", session_id: str, user_id: str | None, source: str | None) -> "list[LedgerSession]":
    """The complete session of each source that has it; of one user."""
    from connectors.state.ledger import COMPLETE, sessions_called
    from connectors.state.roster import SOURCES, check_source

    if source is not None:
        check_source("--source", source)
    with home.state.read() as connection:
        found = [
            session
            for name in SOURCES
            if source in (None, name)
            for session in sessions_called(connection, name, session_id)
        ]
    mine = [session for session in found if user_id in (None, session.user_id)]
    if not mine:
        raise WrongUsage("No such session is known here: `nightshift sync` pulls sessions; check the id.")
    if (users := len({session.user_id for session in mine})) > 1:
        raise WrongUsage(f"{users} users have a session of that id: name one with --user.")
    if complete := [session for session in mine if session.verdict == COMPLETE]:
        return complete
    raise WrongUsage(f"This session is {mine[0].verdict}, so there is nothing to explain: see nightshift history.")


def _explained(home: "Home", session: "LedgerSession") -> "list[Line]":
    from assets.fhir.sleep_observations import fhir_context
    from schemas.asleep_webhook import as_answer
    from schemas.bed_explanation import bed_origin, with_samples
    from schemas.eight_sleep.reading import unwrapped
    from schemas.explanation import InFhir, explain
    from schemas.fhir import session_observations
    from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS

    folder = f"date={session.partition.isoformat()}"
    row = _row(home.lake.read(SLEEP_SESSIONS, folder), session)
    document = [
        one.document
        for one in home.raw.current(session.source, SESSION, session.partition)
        if (one.document.user_id, one.document.document_id) == (session.user_id, session.session_id)
    ]
    if row is None or not document:
        raise WrongUsage("This session is in no table: see `nightshift quarantine list`, or run `nightshift sync`.")
    hypnogram = _row(home.lake.read(SLEEP_HYPNOGRAMS, folder), session)
    resources = session_observations(fhir_context(home), row, hypnogram)
    stages = {name: hypnogram[name] for name in STAGE_COLUMNS} if hypnogram else {}
    units = {name: SLEEP_SESSIONS.unit(name) for name in SLEEP_SESSIONS.schema.names}
    answer, renderings = json.loads(document[0].body), [InFhir(resources)]
    if session.source == EIGHT_SLEEP:
        return [with_samples(line) for line in explain(unwrapped(answer), row | stages, renderings, units, bed_origin)]
    return explain(as_answer(answer), row | stages, renderings, units)


def _row(table: Any, session: "LedgerSession") -> dict[str, Any] | None:
    import pyarrow.compute as pc

    mine = pc.equal(table["source"], session.source)
    for name in ("user_id", "session_id"):
        mine = pc.and_(mine, pc.equal(table[name], getattr(session, name)))
    rows: list[dict[str, Any]] = table.filter(mine).to_pylist()
    return rows[0] if rows else None


def _cells(line: "Line") -> Sequence[str]:
    from schemas.explanation import text_of

    unit = f" {line.unit}" if line.unit and line.kept is not None else ""
    rendered = line.rendered[0]
    return (
        line.field.removeprefix("result."),
        text_of(line.sent),
        line.rule if line.column else "",
        line.column,
        text_of(line.kept) + unit,
        rendered.place if rendered else "",
        text_of(rendered.value) if rendered else "",
        line.loss,
    )


def _as_json(source: str, line: "Line") -> dict[str, Any]:
    from schemas.explanation import text_of

    rendered = line.rendered[0]
    return {
        "source": source,
        "sent_as": line.field,
        "sent": line.sent,
        "rule": line.rule,
        "column": line.column,
        "kept": line.kept if isinstance(line.kept, int | float | list | None) else text_of(line.kept),
        "unit": line.unit,
        "fhir": {"place": rendered.place, "value": rendered.value, "rule": rendered.rule} if rendered else None,
        "lost": line.loss,
    }


def _html(nights: "Mapping[str, Sequence[Line]]") -> str:
    heads = ("sent as", "value", "rule", "lake column", "value", "FHIR R4", "value", "rule", "lost")
    head = "".join(f"<th>{text}</th>" for text in heads)
    tables = "\n".join(
        f"<h2>As told by {source}</h2>\n<table><thead><tr>{head}</tr></thead><tbody>\n"
        + "\n".join(map(_html_row, lines))
        + "\n</tbody></table>"
        for source, lines in nights.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>A night, field by field</title>'
        f"<style>\n{_STYLE}</style></head>\n<body><h1>A night, field by field</h1>\n"
        "<p>From the vendor's answer to the lake to FHIR. Grey rows go no further than raw.</p>\n"
        f"{tables}</body></html>\n"
    )


def _html_row(line: "Line") -> str:
    *front, loss = (html.escape(cell) for cell in _cells(line))
    field, sent, rule, column, kept, place, value = front
    how = html.escape(line.rendered[0].rule) if line.rendered[0] else ""
    cells = (
        f"<td><code>{field}</code></td><td>{sent}</td><td class='rule'>{rule}</td><td><code>{column}</code></td>"
        f"<td>{kept}</td><td><code>{place}</code></td><td>{value}</td><td class='rule'>{how}</td>"
        f"<td class='loss'>{loss}</td>"
    )
    return f"<tr{'' if line.column else ' class=raw'}>{cells}</tr>"
