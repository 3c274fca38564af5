"""The whole engine without Dagster: after a pull, everything dirty is built by the functions the assets call.

Where a test needs hundreds of runs. What Dagster adds (runs, ranges, checks) is tested in ``tests/system``.
"""

from collections.abc import Callable, Sequence

from assets.builds import INPUTS, LIVE, MARTS, MARTS_INPUTS, Built, build_partitions
from assets.fhir.average_stats_observations import build_average_stats_observations
from assets.fhir.bed_observations import build_bed_observations
from assets.fhir.people import build_people
from assets.fhir.sleep_observations import build_sleep_observations, fhir_context
from assets.lake.average_stats import build_average_stats
from assets.lake.bed_nights import build_bed_nights
from assets.lake.bed_presence import build_bed_presence
from assets.lake.bed_samples import build_bed_samples
from assets.lake.bed_status import build_bed_status
from assets.lake.night_ledger import build_night_ledger
from assets.lake.session_history import build_session_history
from assets.lake.sleep_hypnograms import build_sleep_hypnograms
from assets.lake.sleep_sessions import build_sleep_sessions
from assets.lake.sleep_stage_intervals import build_sleep_stage_intervals
from assets.lake.users import build_users
from assets.marts.loading import load_marts
from assets.warehouse.live_sessions import load_live_sessions
from assets.warehouse.tables import load_average_stats, load_beds, load_night_ledger, load_nights, load_users
from connectors.home import Home
from connectors.state.dirty import list_dirty
from connectors.warehouse.duckdb import DuckDbWarehouse

MOST_ROUNDS = 5
"""Building nights and loading them marks nothing that was built before; more rounds mean that it never settles."""


def drain(home: Home, *, marts: bool = False, warehouse: bool = True) -> int:
    """Build and load all that is dirty, in the order of the flow; the lake and FHIR files replaced.

    The marts, which take longer than a small world's nights, are left dirty unless they are wanted, and so may be the
    loads of the warehouse, which take as long as all else.

    Raises: NightshiftError, as the build that failed.
    """
    files, wanted = 0, [asset for asset in INPUTS if marts or asset not in MARTS_INPUTS]
    if not warehouse:
        wanted = [asset for asset in wanted if not asset.startswith("warehouse_")]
    for _ in range(MOST_ROUNDS):
        with home.state.read() as connection:
            if list_dirty(connection).keys().isdisjoint(wanted):
                return files
        for asset in wanted:
            with home.state.read() as connection:
                partitions = list(list_dirty(connection).get(asset, {}))
            if partitions:
                files += _make(home, asset, partitions)
    raise AssertionError("what is dirty does not settle")


def _make(home: Home, asset: str, partitions: Sequence[str]) -> int:
    if asset.startswith(("warehouse_", MARTS)):
        warehouse = DuckDbWarehouse(home.root / "warehouse.duckdb")
        loads: dict[str, Callable[[], object]] = {
            "warehouse_sleep": lambda: load_nights(home, warehouse, partitions),
            "warehouse_beds": lambda: load_beds(home, warehouse, partitions),
            "warehouse_night_ledger": lambda: load_night_ledger(home, warehouse, partitions),
            "warehouse_average_stats": lambda: load_average_stats(home, warehouse, partitions),
            "warehouse_users": lambda: load_users(home, warehouse),
            LIVE: lambda: load_live_sessions(home, warehouse),
            MARTS: lambda: load_marts(home, warehouse),
        }
        loads[asset]()
        return 0
    report = build_partitions(home, asset, partitions, _builder(home, asset))
    assert not report.unconserved
    return report.total.files


def _builder(home: Home, asset: str) -> Callable[[str], Built]:
    context = fhir_context(home)
    builders: dict[str, Callable[[str], Built]] = {
        "sleep_sessions": lambda day: build_sleep_sessions(home, day),
        "sleep_hypnograms": lambda day: build_sleep_hypnograms(home, day),
        "sleep_stage_intervals": lambda day: build_sleep_stage_intervals(home, day),
        "session_history": lambda day: build_session_history(home, day),
        "bed_samples": lambda day: build_bed_samples(home, day),
        "bed_nights": lambda day: build_bed_nights(home, day),
        "bed_status": lambda day: build_bed_status(home, day),
        "bed_presence": lambda day: build_bed_presence(home, day),
        "fhir_bed_observations": lambda day: build_bed_observations(home, context, day),
        "fhir_sleep_observations": lambda day: build_sleep_observations(home, context, day),
        "night_ledger": lambda night: build_night_ledger(home, night)[0],
        "average_stats": lambda month: build_average_stats(home, month),
        "fhir_average_stats": lambda month: build_average_stats_observations(home, context, month),
        "users": lambda _: build_users(home),
        "fhir_people": lambda _: build_people(home, context),
    }
    return builders[asset]
