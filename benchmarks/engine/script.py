"""The script an analyst would write: one request after the other with requests, then pandas, then Parquet.

It keeps its connection and does nothing foolish; it also has no retries, no limit, no memory of what it has, no raw.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import requests

from benchmarks.engine.contestant import FIRST, KEY, LAST, Meter, Task, compete


def run(task: Task, folder: Path, meter: Meter) -> None:
    """Fetch users, sessions and statistics, and write a table of each."""
    people = task.roster()
    with meter.running():
        meter.notes["sessions"] = fetch(task.base_url, people, folder)


def fetch(base_url: str, people: list[tuple[str, str]], folder: Path) -> int:
    """Three Parquet files; the number of sessions."""
    http = requests.Session()
    http.headers["x-api-key"] = KEY

    def get(path: str, headers: dict[str, str] | None = None, **params: str) -> Any:
        answer = http.get(base_url + path, params=params, headers=headers)
        answer.raise_for_status()
        return answer.json()["result"]

    sessions, stats, users = [], [], []
    for user_id, zone in people:
        scope = {"x-user-id": user_id, "timezone": "UTC"}
        days = {"date_gte": FIRST.isoformat(), "date_lte": LAST.isoformat()}
        listed = get("/data/v1/sessions", scope, **days, order_by="ASC", offset="0", limit="100")
        for row in listed["sleep_session_list"]:
            if row["state"] == "COMPLETE":
                sessions.append({"user_id": user_id, **get(f"/data/v3/sessions/{row['session_id']}", scope)})
        period = {"start_date": LAST.replace(day=1).isoformat(), "end_date": LAST.isoformat()}
        stats.append(
            {"user_id": user_id, **get(f"/data/v1/users/{user_id}/average-stats", {"timezone": zone}, **period)}
        )
        users.append(get(f"/ai/v1/users/{user_id}"))
    for name, documents in (("sessions", sessions), ("stats", stats), ("users", users)):
        pd.json_normalize(documents).to_parquet(folder / f"{name}.parquet", compression="zstd")
    return len(sessions)


if __name__ == "__main__":
    compete(run)
