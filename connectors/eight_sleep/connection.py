"""How to reach an Eight Sleep account: hosts, credentials, and the home that its runs share. Opens clients.

What is asked of them is not known here.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

from connectors.breaker import Breaker
from connectors.call_tally import CallTally
from connectors.eight_sleep.budget import AUTH, Group, GroupBudget
from connectors.eight_sleep.client import PATIENCE, EightSleepClient
from connectors.eight_sleep.login import Credentials, Login, LoginHost
from connectors.eight_sleep.tokens import Tokens
from connectors.home import Home
from connectors.patience import Patience
from connectors.state.tokens import Secret, TokenStore
from schemas.eight_sleep import EIGHT_SLEEP

AUTH_URL = "https://auth-api.8slp.net"
CLIENT_URL = "https://client-api.8slp.net"
APP_URL = "https://app-api.8slp.net"


@dataclass(frozen=True)
class EightSleepConnection:
    """An account; ``home``, which is prepared, holds its sealed token and its budgets in files that do not name it.

    ``patience``, ``seconds`` (the wall clock of the budgets) and ``sleep`` are for tests that do not want to wait.
    """

    home: Home = field(repr=False)
    credentials: Credentials = field(repr=False)
    auth_url: str = AUTH_URL
    client_url: str = CLIENT_URL
    concurrency: int = 4
    patience: Patience = PATIENCE
    seconds: Callable[[], float] = field(default=time.time, repr=False)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    app_url: str = APP_URL

    def open(self, on_call: Callable[[str], None] | None = None) -> EightSleepClient:
        """A client, to be entered as an async context manager. Raises: WrongUsage, DiskUnavailable."""
        secret = Secret(self.home.secret_for_tokens())
        account = secret.mark("account", self.auth_url, self.client_url, self.credentials.email)
        budget = partial(self._budget, account)
        login = Login(
            self.credentials,
            (LoginHost("EIGHT_SLEEP_AUTH_URL", self.auth_url), LoginHost("EIGHT_SLEEP_CLIENT_URL", self.client_url)),
            budget=budget(AUTH),
            clock=self.home.clock,
            patience=self.patience,
            on_call=on_call,
        )
        credentials = secret.mark("credentials", account, self.credentials.body().decode())
        tokens = Tokens(
            login,
            TokenStore(self.home.state, secret, EIGHT_SLEEP, account, credentials),
            lock=lambda: self.home.lock("eight-sleep-login", wait_s=0),
            clock=self.home.clock,
            sleep=self.sleep,
        )
        locks = self.home.root / "locks"
        return EightSleepClient(
            self.client_url,
            tokens,
            app_url=self.app_url,
            budget=budget,
            clock=self.home.clock,
            concurrency=self.concurrency,
            patience=self.patience,
            breaker=Breaker(
                locks / "eight-sleep.breaker",
                "Eight Sleep",
                self.patience.breaker,
                clock=self.seconds,
                sleep=self.sleep,
            ),
            on_call=on_call,
            tally=CallTally(locks / "eight-sleep.calls"),
        )

    def _budget(self, account: str, group: Group) -> GroupBudget:
        path = self.home.root / "locks" / f"eight-sleep-{account}-{group.name}.budget"
        return GroupBudget(path, group, clock=self.seconds, sleep=self.sleep)
