"""The kinds of raw documents, as they stand in paths and in state."""

SESSION = "session"
SESSION_LIST = "session_list"
AVERAGE_STATS = "average_stats"
USER = "user"
TREND = "trend"
"""A night as the bed's vendor scores it; its id is the morning on which the night ends."""

BED_STATUS = "bed_status"
"""A poll of a bed's status; its id is opaque, and it is never revised."""

FIRST_SEEN = "first_seen"
"""Why a version of a session was kept: nothing was known of it before."""

COMPLETED = "completed"
"""It had been seen in analysis, or could not be fetched, and now came in full."""

WEBHOOK = "webhook"
"""The vendor posted it, before any pull had it."""

RE_ANALYSED = "re_analysed"
"""The vendor sent other content than before."""

DELETED = "deleted"
"""The vendor does not have it any more; the version is a tombstone."""

MOVED = "moved"
"""No version: a note that a document lies, or has lain, under two dates."""
