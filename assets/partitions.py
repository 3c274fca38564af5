"""The partitions of the assets: UTC day of session start, and calendar month. When they run is not said here."""

import warnings

import dagster as dg

from assets.builds import BACKFILL_DAYS
from schemas.nights import FIRST_DAY

# Dagster calls backfill policies beta on every asset that has one; we rely on them knowingly.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy` of function", category=dg.BetaWarning)

DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1)
# Two ahead, because a month begins east of Greenwich while it is still the last one in UTC.
MONTHLY = dg.MonthlyPartitionsDefinition(start_date=f"{FIRST_DAY:%Y-%m}", end_offset=2, fmt="%Y-%m")
BACKFILL = dg.BackfillPolicy.multi_run(BACKFILL_DAYS)
