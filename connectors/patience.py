"""How long we bear with a vendor: attempts at one call, the waits between them, time-outs, times of the breaker.

Only numbers and what follows from them; who waits and who asks does not live here.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import uniform

from connectors.errors import CutShort, DeviceOffline, HostUnreachable, RateLimited, ServerFailed, VendorError
from connectors.pace import LONGEST_PAUSE_S, LOWEST_PER_SECOND
from connectors.transport import ANSWER_S


@dataclass(frozen=True)
class Retry:
    """How often and how patiently a call is repeated.

    ``attempts`` is how often a call may fail, ``refusals`` how often it may meet the vendor's rate limit: it ends with
    whichever is reached first, hence after at most ``attempts + refusals - 1`` requests. Waits after failures double
    from ``base_s`` seconds to ``cap_s``; up to ``jitter_s`` seconds are added at random, so that calls that failed
    together do not come back together. A refused call waits for the shared budget, whose pauses double from ``base_s``
    to ``cap_s`` as well.
    """

    attempts: int = 5
    refusals: int = 8
    base_s: float = 1.0
    cap_s: float = 60.0
    jitter_s: float = 1.0

    def wait_s(self, failures: int) -> float:
        """Seconds to wait after this many failures of one call, 1 or more."""
        return min(self.cap_s, self.base_s * 2.0 ** (failures - 1) + uniform(0, self.jitter_s))  # noqa: S311


@dataclass(frozen=True)
class BreakerTimes:
    """When calls in general are held back: ``calls`` that failed in a row open the breaker.

    It is tried after ``cool_s`` seconds, doubling to ``longest_cool_s``; down for more than ``down_s`` seconds in all,
    the vendor is given up.
    """

    calls: int = 10
    cool_s: float = 5.0
    longest_cool_s: float = 60.0
    down_s: float = 120.0


@dataclass(frozen=True)
class Patience:
    """How long we bear with a vendor; the defaults are those of every run, tests may be less patient.

    ``answer_s`` is the seconds for one attempt from connecting to the last byte of the answer; however often the
    vendor refuses, the pace stays at ``lowest_per_second`` calls a second (or the limit, if that is lower); a vendor
    that has refused everything for more than ``refused_s`` seconds ends the run.
    """

    retry: Retry = field(default_factory=Retry)
    answer_s: float = ANSWER_S
    breaker: BreakerTimes = field(default_factory=BreakerTimes)
    lowest_per_second: float = LOWEST_PER_SECOND
    refused_s: float = 600.0


@dataclass
class Tries:
    """The attempts at one call. Failures and refusals count apart: a call that comes too early did nothing wrong.

    ``repeatable`` says that running the call twice does no harm.
    """

    retry: Retry
    repeatable: bool
    failures: int = 0
    refusals: int = 0

    @property
    def number(self) -> int:
        """Which attempt is the next one, from 1."""
        return self.failures + self.refusals + 1

    def wait_s(self, error: VendorError) -> float | None:
        """Count ``error``; the seconds to wait before the next attempt, or None when there is none."""
        if isinstance(error, RateLimited):
            self.refusals += 1
            return 0.0 if self.refusals < self.retry.refusals and not error.lasting else None
        self.failures += 1
        if self.failures >= self.retry.attempts or not _is_passing(error, self.repeatable):
            return None
        wish_s: float | None = getattr(error, "retry_after_s", None)
        return self.retry.wait_s(self.failures) if wish_s is None else wish_s


def _is_passing(error: VendorError, repeatable: bool) -> bool:
    """True when the same call may succeed later and cannot have run already, unless it may run twice."""
    match error:
        case HostUnreachable():
            return repeatable or not error.may_have_run
        case ServerFailed() | CutShort() | DeviceOffline():
            return repeatable
    return False


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds a ``Retry-After`` header asks for (RFC 9110: a number or a date); None when missing or absurd.

    Absurd is what lies in the past, or more than 300 s ahead.
    """
    if header is None:
        return None
    wish_s = _seconds(header, now)
    return wish_s if wish_s is not None and 0 < wish_s <= LONGEST_PAUSE_S else None


def _seconds(header: str, now: datetime) -> float | None:
    try:
        return float(header)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()
