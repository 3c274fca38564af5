"""A rig for every source that there is: who adds a source adds one here, and all suites of this room run for it."""

from tests.assets.sources.asleep_rig import AsleepRig
from tests.assets.sources.eight_sleep_rig import EightSleepRig
from tests.assets.sources.source_rig import SourceRig

RIGS: dict[str, type[SourceRig]] = {rig.source: rig for rig in (AsleepRig, EightSleepRig)}
