"""A dlt pipeline tuned as dlt's own page on performance says, and the same pipeline as it comes out of the box.

What is tuned, and why, is told in the README of ``benchmarks``. It remembers nothing of what it did before: every run
is a first run, as for everybody in the race. ``options`` of a task: ``tuned`` (true unless told).
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# dlt reads its settings from the environment when it is loaded.
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt
import requests
from dlt.common import json

from benchmarks.engine.contestant import FIRST, KEY, LAST, Meter, Task, compete

_TUNED = {
    "EXTRACT__WORKERS": "{connections}",
    "EXTRACT__MAX_PARALLEL_ITEMS": "{twice}",
    "DATA_WRITER__BUFFER_MAX_ITEMS": "50000",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
    "NORMALIZE__WORKERS": "1",
    "LOAD__WORKERS": "4",
    "LOAD__DELETE_COMPLETED_JOBS": "true",
}

_here = threading.local()


def run(task: Task, folder: Path, meter: Meter) -> None:
    """Load users, sessions and statistics into Parquet files."""
    tuned = task.options.get("tuned", True)
    for name, value in _TUNED.items():
        os.environ.pop(name, None)
        if tuned:
            os.environ[name] = value.format(connections=task.connections, twice=2 * task.connections)
    people = task.roster()
    with meter.running():
        pipeline = dlt.pipeline(
            "sleep",
            pipelines_dir=str(folder / "work"),
            destination=dlt.destinations.filesystem(bucket_url=(folder / "lake").as_uri()),
            dataset_name="sleep",
        )
        source = sleep(task.base_url, people)
        if tuned:
            source.max_table_nesting = 0
        pipeline.run(source, loader_file_format="parquet")
    meter.notes["sessions"] = pipeline.last_trace.last_normalize_info.row_counts["sessions"]


@dlt.source
def sleep(base_url: str, people: list[tuple[str, str]]) -> Any:
    """Everything of these people; every request is a step of its own in the thread pool."""

    @dlt.resource(selected=False)
    def persons() -> Iterator[tuple[str, str]]:
        yield from people

    @dlt.transformer(data_from=persons, parallelized=True, selected=False)
    def listed(person: tuple[str, str]) -> list[tuple[str, str]]:
        days = {"date_gte": FIRST.isoformat(), "date_lte": LAST.isoformat()}
        page = get("/data/v1/sessions", scope(person[0]), **days, order_by="ASC", offset="0", limit="100")
        rows = page["sleep_session_list"]
        return [(person[0], row["session_id"]) for row in rows if row["state"] == "COMPLETE"]

    @dlt.transformer(data_from=listed)
    def sessions(found: list[tuple[str, str]]) -> Iterator[Any]:
        for user_id, session_id in found:
            yield detail(user_id, session_id)

    @dlt.defer
    def detail(user_id: str, session_id: str) -> dict[str, Any]:
        return {"user_id": user_id, **get(f"/data/v3/sessions/{session_id}", scope(user_id))}

    @dlt.transformer(data_from=persons, parallelized=True)
    def average_stats(person: tuple[str, str]) -> dict[str, Any]:
        period = {"start_date": LAST.replace(day=1).isoformat(), "end_date": LAST.isoformat()}
        stats = get(f"/data/v1/users/{person[0]}/average-stats", {"timezone": person[1]}, **period)
        return {"user_id": person[0], **stats}

    @dlt.transformer(data_from=persons, parallelized=True)
    def users(person: tuple[str, str]) -> Any:
        return get(f"/ai/v1/users/{person[0]}")

    def get(path: str, headers: dict[str, str] | None = None, **params: str) -> Any:
        answer = connection().get(base_url + path, params=params, headers=headers)
        answer.raise_for_status()
        return json.loadb(answer.content)["result"]

    return persons, listed, sessions, average_stats, users


def scope(user_id: str) -> dict[str, str]:
    """Headers that say whose sessions are asked for."""
    return {"x-user-id": user_id, "timezone": "UTC"}


def connection() -> requests.Session:
    """This thread's session, which keeps its connection."""
    if not hasattr(_here, "session"):
        _here.session = requests.Session()
        _here.session.trust_env = False  # looking for proxies and .netrc costs more than the request
        _here.session.headers["x-api-key"] = KEY
    session: requests.Session = _here.session
    return session


if __name__ == "__main__":
    compete(run)
