"""Payloads of the Eight Sleep API: what the SmartBedAPI reference states, and what community clients read besides.

``control`` holds the former, ``nights``, ``trends`` and ``beds`` the latter. Unknown fields are ignored. Nothing here
shows its values in a ``repr``: they are ids, tokens and who lies in which bed.
"""

from schemas.eight_sleep.beds import (
    Bed,
    BedAnswer,
    BedUser,
    CurrentDevice,
    CurrentState,
    Kelvin,
    SensorInfo,
    SmartLevels,
    UserAnswer,
    UserTemperature,
)
from schemas.eight_sleep.control import (
    HIGHEST_LEVEL,
    LOWEST_LEVEL,
    BedStatus,
    Device,
    LoginAnswer,
    Session,
    SideCommand,
    SideStatus,
    TemperatureCommand,
    TokenAnswer,
)
from schemas.eight_sleep.nights import (
    Interval,
    IntervalDevice,
    IntervalsPage,
    IntervalStage,
    Snoring,
    StageSummary,
    Timeseries,
)
from schemas.eight_sleep.reading import Number, Point, SideName, decoded, decoded_list, side_named, unwrapped
from schemas.eight_sleep.trends import (
    FitnessScore,
    PlacedScore,
    QualityScore,
    RoutineScore,
    ScorePart,
    TrendDay,
    Trends,
)

__all__ = [
    "EIGHT_SLEEP",
    "HIGHEST_LEVEL",
    "LOWEST_LEVEL",
    "Bed",
    "BedAnswer",
    "BedStatus",
    "BedUser",
    "CurrentDevice",
    "CurrentState",
    "Device",
    "FitnessScore",
    "Interval",
    "IntervalDevice",
    "IntervalStage",
    "IntervalsPage",
    "Kelvin",
    "LoginAnswer",
    "Number",
    "PlacedScore",
    "Point",
    "QualityScore",
    "RoutineScore",
    "ScorePart",
    "SensorInfo",
    "Session",
    "SideCommand",
    "SideName",
    "SideStatus",
    "SmartLevels",
    "Snoring",
    "StageSummary",
    "TemperatureCommand",
    "Timeseries",
    "TokenAnswer",
    "TrendDay",
    "Trends",
    "UserAnswer",
    "UserTemperature",
    "decoded",
    "decoded_list",
    "side_named",
    "unwrapped",
]

EIGHT_SLEEP = "eight_sleep"
"""The name of this source in every table, path and pseudonym."""
