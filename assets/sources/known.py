"""The one list of sources, in the order of precedence: where two tell of one night, the first has more to say of it."""

from assets.sources import asleep, eight_sleep
from assets.sources.source import SleepSource

SOURCES: dict[str, SleepSource] = {source.name: source for source in (asleep.SOURCE, eight_sleep.SOURCE)}
"""Every source by its name in tables, paths and state."""
