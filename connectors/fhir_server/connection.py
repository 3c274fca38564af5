"""How to reach a FHIR server: address, login, budget, sizes. Opens clients; what is sent is not known here."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from connectors.breaker import Breaker
from connectors.errors import WrongUsage
from connectors.fhir_server.auth import Login, NoLogin, UnusableLogin
from connectors.fhir_server.bundles import Limits
from connectors.fhir_server.client import FhirServer
from connectors.home import Clock, utc_now
from connectors.patience import Patience
from connectors.rate_limit import RateLimit


@dataclass(frozen=True)
class FhirConnection:
    """A server and its budget; ``budget_file``, and the breaker's beside it, are shared by all processes of the home.

    ``concurrency`` is how many Bundles may be under way at once, and so how many lanes a plan should have.
    """

    base_url: str
    budget_file: Path
    login: Login | UnusableLogin = field(default_factory=NoLogin)
    requests_per_second: float = 10.0
    concurrency: int = 4
    limits: Limits = field(default_factory=Limits)
    clock: Clock = utc_now
    patience: Patience = field(default_factory=Patience)

    def open(self, on_call: Callable[[str], None] | None = None) -> FhirServer:
        """A client, to be entered as an async context manager. Raises: WrongUsage."""
        if isinstance(self.login, UnusableLogin):
            raise WrongUsage(self.login.reason)
        return FhirServer(
            self.base_url,
            self.login,
            rate_limit=RateLimit(
                self.budget_file, self.requests_per_second, lowest_per_second=self.patience.lowest_per_second
            ),
            clock=self.clock,
            concurrency=self.concurrency,
            patience=self.patience,
            breaker=Breaker(self.budget_file.with_suffix(".breaker"), "The FHIR server", self.patience.breaker),
            on_call=on_call,
        )
