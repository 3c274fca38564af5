"""The asset of what came by webhook: materialising it takes the inbox in. The work is in ``intake``."""

import dagster as dg

from assets.raw.intake import Intake, take_in
from assets.results import OWNERS
from connectors.asleep.webhooks.inbox import FILE_NAME, Inbox
from connectors.home import Home

WEBHOOK_EVENTS_KEY = dg.AssetKey(["raw", "webhook_events"])


@dg.asset(
    key=WEBHOOK_EVENTS_KEY,
    group_name="raw",
    kinds={"python", "parquet"},
    owners=OWNERS,
)
def webhook_events(home: dg.ResourceParam[Home], webhook_retention_days: dg.ResourceParam[int]) -> dg.MaterializeResult:
    """Events that Asleep has posted, as raw session documents where they are complete sessions; no call is made."""
    intake = take_in_if_any(home, webhook_retention_days) or Intake()
    return dg.MaterializeResult(
        metadata={
            "events": intake.events,
            "dead_letters": intake.dead_letters,
            "users_enrolled": intake.enrolled,
            "events_deleted": intake.forgotten,
            **{f"sessions_{name}": getattr(intake.sessions, name) for name in intake.sessions.__slots__},
        }
    )


def take_in_if_any(home: Home, keep_days: int) -> Intake | None:
    """Take the home's inbox in; None if there is none, because nothing was ever received. Raises: as ``take_in``."""
    path = home.root / FILE_NAME
    if not path.exists():
        return None
    inbox = Inbox(path)
    try:
        return take_in(home, inbox, keep_days)
    finally:
        inbox.close()
