"""``nightshift explain SESSION``: one night from the vendor's answer to the lake to FHIR, field beside field."""

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import WrongUsage
from pipelines.command.console import given_id, note, open_settings_and_home, print_table, say
from schemas.asleep import ASLEEP
from schemas.documents import SESSION

if TYPE_CHECKING:
    from connectors.home import Home
    from connectors.state.ledger import LedgerSession
    from schemas.explanation import Line

STAGE_COLUMNS = ("sleep_stages", "breath_stages", "snoring_stages")

_STYLE = """\
body { font: 14px/1.4 system-ui, sans-serif; margin: 2rem; color: #1b1f24; }
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
    page: Annotated[
        Path | None, typer.Option("--html", help="Write one HTML page into this file instead of the table.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Show what became of every field of a session: as sent, in the lake, in FHIR, by which rule, and what was lost.

    It is personal health data.
    """
    _, home = open_settings_and_home()
    session = _find(home, given_id(session_id, "session id"), user_id)
    lines = _explained(home, session)
    if as_json:
        say(json.dumps([_as_json(line) for line in lines]))
    elif page is not None:
        page.write_text(_html(lines), encoding="utf-8")
        note("Written. The page holds personal health data: keep it where the home is kept.")
    else:
        print_table(["sent as", "value", "rule", "lake column", "value", "FHIR", "value", "lost"], map(_cells, lines))


def _find(home: "Home", session_id: str, user_id: str | None) -> "LedgerSession":
    from connectors.state.ledger import COMPLETE, sessions_called

    with home.state.read() as connection:
        found = sessions_called(connection, ASLEEP, session_id)
    mine = [session for session in found if user_id in (None, session.user_id)]
    if not mine:
        raise WrongUsage("No such session is known here: `nightshift sync` pulls sessions; check the id.")
    if len(mine) > 1:
        raise WrongUsage(f"{len(mine)} users have a session of that id: name one with --user.")
    if mine[0].verdict != COMPLETE:
        raise WrongUsage(f"This session is {mine[0].verdict}, so there is nothing to explain: see nightshift history.")
    return mine[0]


def _explained(home: "Home", session: "LedgerSession") -> "list[Line]":
    from assets.fhir.sleep_observations import fhir_context
    from schemas.asleep_webhook import as_answer
    from schemas.explanation import InFhir, explain
    from schemas.fhir import session_observations
    from schemas.tables import SLEEP_HYPNOGRAMS, SLEEP_SESSIONS

    folder = f"date={session.partition.isoformat()}"
    row = _row(home.lake.read(SLEEP_SESSIONS, folder), session)
    document = [
        one.document
        for one in home.raw.current(ASLEEP, SESSION, session.partition)
        if (one.document.user_id, one.document.document_id) == (session.user_id, session.session_id)
    ]
    if row is None or not document:
        raise WrongUsage("This session is in no table: see `nightshift quarantine list`, or run `nightshift sync`.")
    hypnogram = _row(home.lake.read(SLEEP_HYPNOGRAMS, folder), session)
    resources = session_observations(fhir_context(home), row, hypnogram)
    stages = {name: hypnogram[name] for name in STAGE_COLUMNS} if hypnogram else {}
    units = {name: SLEEP_SESSIONS.unit(name) for name in SLEEP_SESSIONS.schema.names}
    return explain(as_answer(json.loads(document[0].body)), row | stages, [InFhir(resources)], units)


def _row(table: Any, session: "LedgerSession") -> dict[str, Any] | None:
    import pyarrow.compute as pc

    mine = pc.and_(pc.equal(table["user_id"], session.user_id), pc.equal(table["session_id"], session.session_id))
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


def _as_json(line: "Line") -> dict[str, Any]:
    from schemas.explanation import text_of

    rendered = line.rendered[0]
    return {
        "sent_as": line.field,
        "sent": line.sent,
        "rule": line.rule,
        "column": line.column,
        "kept": line.kept if isinstance(line.kept, int | float | list | None) else text_of(line.kept),
        "unit": line.unit,
        "fhir": {"place": rendered.place, "value": rendered.value, "rule": rendered.rule} if rendered else None,
        "lost": line.loss,
    }


def _html(lines: "Sequence[Line]") -> str:
    heads = ("sent as", "value", "rule", "lake column", "value", "FHIR R4", "value", "rule", "lost")
    rows = "\n".join(_html_row(line) for line in lines)
    head = "".join(f"<th>{text}</th>" for text in heads)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>A night, field by field</title>'
        f"<style>\n{_STYLE}</style></head>\n<body><h1>A night, field by field</h1>\n"
        "<p>From the vendor's answer to the lake to FHIR. Grey rows go no further than raw.</p>\n"
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table></body></html>\n"
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
