"""A fresh process that writes the NDJSON of so many sessions and tells its peak memory before and after.

Run as ``python -m benchmarks.fhir.memory HOME SESSIONS``.
"""

import resource
import sys
from pathlib import Path

from assets.fhir.sleep_observations import build_sleep_observations, fhir_context
from benchmarks.fhir.nights import folders, open_home

_MB = 2**20
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_STATUS = Path("/proc/self/status")


def main(root: str, sessions: str) -> None:
    """Build every partition, as the asset does."""
    home = open_home(Path(root))
    context = fhir_context(home)
    before_mb = _peak_mb()
    for folder in folders(int(sessions)):
        build_sleep_observations(home, context, folder.removeprefix("date="))
    print(before_mb, _peak_mb())


def _peak_mb() -> float:
    """Of this program: what ``getrusage`` says on Linux includes the one that started it."""
    if _STATUS.exists():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024 / _MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES / _MB


if __name__ == "__main__":
    main(*sys.argv[1:])
