"""``live_sessions`` in the warehouse: the sessions that run at this moment, from the inbox of webhooks.

It is replaced whole. Of a session that is over nothing is in it any more; what became of it is in the other tables.
"""

from typing import Any

import dagster as dg
import pyarrow as pa

from assets.builds import ALL_USERS, LIVE, claim_partitions
from assets.results import OWNERS, table_metadata
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
from connectors.asleep.webhooks.live_sessions import LiveSession
from connectors.home import Home
from connectors.state.dirty import clear
from connectors.warehouse.loading import Warehouse
from schemas.session_ids import start_in
from schemas.stages import FOUR_STAGE, TWO_STAGE, from_asleep_codes
from schemas.tables import LIVE_SESSIONS

KEY = dg.AssetKey(["warehouse", LIVE_SESSIONS.name])
_FOUR_STAGE_CODES = {2, 3}


def load_live_sessions(home: Home, warehouse: Warehouse) -> int:
    """Load the sessions that run; how many. Raises: InboxUnavailable, WarehouseUnavailable."""
    with home.lock("inbox"), home.lock("warehouse"):
        claims = claim_partitions(home, LIVE, [ALL_USERS])
        rows = live_rows(home)
        warehouse.load_whole(LIVE_SESSIONS, rows)
        clear(home.state, claims)
    return len(rows)


def live_rows(home: Home) -> pa.Table:
    """The rows of ``live_sessions``; none where no webhook has ever come. Raises: InboxUnavailable."""
    file = home.root / FILE_NAME
    if not file.exists():
        return LIVE_SESSIONS.schema.empty_table()
    inbox = Inbox(file)
    try:
        return pa.Table.from_pylist([_row(session) for session in inbox.live_sessions()], LIVE_SESSIONS.schema)
    finally:
        inbox.close()


def _row(session: LiveSession) -> dict[str, Any]:
    # Before the first deep or REM epoch nobody knows whether 1 means light sleep or any sleep.
    plan = TWO_STAGE if _FOUR_STAGE_CODES.isdisjoint(session.sleep_stages) else FOUR_STAGE
    return {
        **session.key._asdict(),
        "start_time": start_in(session.key.session_id),
        "epoch_s": session.epoch_s,
        "epochs": session.epochs,
        "batches": session.batches,
        "first_received_at": session.first_received_at,
        "last_received_at": session.last_received_at,
        "sleep_stages": from_asleep_codes(session.sleep_stages, plan),
        "breath_stages": session.breath_stages,
        "snoring_stages": session.snoring_stages,
    }


@dg.asset(
    key=KEY,
    deps=[dg.AssetKey(["raw", "webhook_events"])],
    group_name="warehouse",
    kinds={"sql"},
    owners=OWNERS,
    metadata={**table_metadata(LIVE_SESSIONS, {}), "dagster/table_name": LIVE_SESSIONS.name},
)
def warehouse_live_sessions(
    home: dg.ResourceParam[Home], warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """The sessions that run at this moment, as far as webhooks have told of them."""
    return dg.MaterializeResult(metadata={"dagster/row_count": load_live_sessions(home, warehouse)})
