"""The kinds of raw documents, as they stand in paths and in state."""

SESSION = "session"
SESSION_LIST = "session_list"
AVERAGE_STATS = "average_stats"
USER = "user"
