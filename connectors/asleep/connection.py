"""How to reach an Asleep account: address, key, budget. Opens clients; what is asked of them is not known here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from connectors.asleep.client import AsleepClient
from connectors.breaker import Breaker
from connectors.call_tally import CallTally
from connectors.errors import WrongUsage
from connectors.home import Clock, utc_now
from connectors.patience import Patience
from connectors.rate_limit import RateLimit
from connectors.state.vendor import VendorAccount, key_fingerprint
from schemas.asleep import ASLEEP

TALLY_SUFFIX = ".calls"
"""Of the tally's file, which lies beside that of the budget."""


class MissingKey(WrongUsage):
    """There is no API key in the settings."""


@dataclass(frozen=True)
class AsleepConnection:
    """An account and its budget; ``budget_file`` is shared by all processes of the home, so that all keep one limit.

    So are the files of the breaker and of the tally of calls beside it. ``patience`` is for tests that do not want to
    wait.
    """

    base_url: str
    api_key: str | None = field(repr=False)
    requests_per_second: float
    concurrency: int
    budget_file: Path
    clock: Clock = utc_now
    new_vendor: bool = False
    patience: Patience = field(default_factory=Patience)

    def account(self) -> VendorAccount:
        """Which account this is, without the key. Raises: MissingKey."""
        return VendorAccount(ASLEEP, self.base_url, key_fingerprint(self._key()), replaces=self.new_vendor)

    def open(self, on_call: Callable[[str], None] | None = None) -> AsleepClient:
        """A client, to be entered as an async context manager. Raises: MissingKey, WrongUsage."""
        return AsleepClient(
            self.base_url,
            self._key(),
            rate_limit=RateLimit(
                self.budget_file, self.requests_per_second, lowest_per_second=self.patience.lowest_per_second
            ),
            clock=self.clock,
            concurrency=self.concurrency,
            patience=self.patience,
            breaker=Breaker(self.budget_file.with_suffix(".breaker"), "Asleep", self.patience.breaker),
            on_call=on_call,
            tally=CallTally(self.budget_file.with_suffix(TALLY_SUFFIX)),
        )

    def _key(self) -> str:
        if not self.api_key:
            raise MissingKey("ASLEEP_API_KEY is not set: put the key of your Asleep account into .env or export it.")
        return self.api_key
