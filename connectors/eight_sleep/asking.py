"""Asking Eight Sleep with a token that holds: each endpoint group within its own budget, once more after a refusal.

Which calls there are does not live here.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from connectors.eight_sleep.budget import Group, GroupBudget
from connectors.eight_sleep.login import Token
from connectors.eight_sleep.refusals import EightSleepJudge, TokenExpired
from connectors.eight_sleep.tokens import Tokens
from connectors.http import Call, Calls, Host, Reply


class Asking:
    """The account's calls, an async context manager for one event loop; ``make_host`` is where a group is asked.

    At most ``concurrency`` calls of a group are under way at once.
    """

    def __init__(
        self,
        tokens: Tokens,
        groups: tuple[Group, ...],
        *,
        budget: Callable[[Group], GroupBudget],
        make_host: Callable[[Group, GroupBudget], Host],
        concurrency: int,
    ) -> None:
        """Raise ``WrongUsage`` when an address cannot be used at all; nothing is asked yet."""
        self._tokens = tokens
        self._budgets: Mapping[str, GroupBudget] = {group.name: budget(group) for group in groups}
        self._hosts = {group.name: make_host(group, self._budgets[group.name]) for group in groups}
        # Who waits for the budget holds no token meanwhile: it would have expired by the time it is used.
        self._places = {name: asyncio.Semaphore(concurrency) for name in self._hosts}
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for host in self._hosts.values():
            await self._opened.enter_async_context(host)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    @property
    def origin(self) -> str:
        """The host, for people."""
        return next(iter(self._hosts.values())).origin

    @property
    def calls(self) -> Calls:
        """Requests made so far, retries and logins included."""
        total = Calls()
        for calls in (self._tokens.calls, *(host.calls for host in self._hosts.values())):
            total.by_endpoint.update(calls.by_endpoint)
            total.retries += calls.retries
        return total

    async def prepare(self) -> None:
        """See that there is a token."""
        await self._tokens.current()

    async def reply(self, group: Group, call: Callable[[Token], Call]) -> Reply:
        """The good answer to a call, which may depend on whose token it is; with another one when that is refused."""
        async with self._places[group.name]:
            token = await self._tokens.current()
            try:
                return await self._with(token, group, call(token))
            except TokenExpired:
                pass
            token = await self._tokens.after(token)
            return await self._with(token, group, call(token))

    async def _with(self, token: Token, group: Group, call: Call) -> Reply:
        call = replace(call, headers=token.headers())
        reply = await self._hosts[group.name].call(call, EightSleepJudge(call.endpoint))
        await self._budgets[group.name].told(reply.headers)
        return reply
