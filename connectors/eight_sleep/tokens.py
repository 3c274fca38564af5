"""The one token of an account: shared by all runs of a home, renewed before it expires, one login at a time.

Whoever needs another token waits for the lock of the home and looks first whether somebody has bought one meanwhile.
Buying it is in ``login``, keeping it sealed in ``connectors.state.tokens``.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime, timedelta

import msgspec

from connectors.eight_sleep.login import Login, Token
from connectors.eight_sleep.refusals import LOGIN_REFUSED, LoginRefused
from connectors.errors import VendorError
from connectors.http import Calls
from connectors.state.tokens import TokenStore

TRY_AGAIN = timedelta(seconds=60)
"""How long a token that holds yet is used on after a renewal has failed, before the next one is tried."""

_LOOK_AGAIN_S = 0.05
_DECODER = msgspec.json.Decoder(Token)


class Tokens:
    """The token; ``lock`` makes the home's lock, which is held while somebody logs in, and tells whether it got it.

    ``current`` and ``after`` raise ``LoginRefused`` when the credentials are refused, without a call if they have been
    before; or the ``VendorError`` for which the vendor could not be asked; or ``StateUnavailable``.
    """

    def __init__(
        self,
        login: Login,
        store: TokenStore,
        *,
        lock: Callable[[], AbstractContextManager[bool]],
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._login = login
        self._store = store
        self._lock = lock
        self._clock = clock
        self._sleep = sleep
        self._turn = asyncio.Lock()
        self._held: Token | None = None

    def __repr__(self) -> str:
        return "<Tokens>"

    @property
    def calls(self) -> Calls:
        """Logins so far, by name ``login``."""
        return self._login.calls

    async def current(self) -> Token:
        """A token that holds for a while yet."""
        async with self._turn:
            if self._held is None or self._clock() >= self._held.renew_at:
                self._held = await self._renewed(None)
            return self._held

    async def after(self, refused: Token) -> Token:
        """A token other than ``refused``; bought only if nobody has renewed it meanwhile."""
        async with self._turn:
            if self._held is None or self._held.value == refused.value:
                self._held = await self._renewed(refused)
            return self._held

    async def _renewed(self, refused: Token | None) -> Token:
        async with self._alone():
            kept = self._store.read()
            if kept.refused:
                raise LoginRefused(LOGIN_REFUSED)
            token = _decoded(kept.token)
            is_refused = bool(token and refused and token.value == refused.value)
            if token and not is_refused and self._clock() < token.renew_at:
                return token
            return await self._bought(token, is_refused)

    async def _bought(self, before: Token | None, is_refused: bool) -> Token:
        """A new token, kept for all; in its place ``before`` as long as it holds and no other is to be had."""
        try:
            token = await self._login.buy(before)
        except LoginRefused:
            self._store.refuse(self._clock())
            raise
        except VendorError:
            now = self._clock()
            if before is None or is_refused or now >= before.expires_at:
                raise
            token = msgspec.structs.replace(before, renew_at=min(before.expires_at, now + TRY_AGAIN))
        self._store.keep(msgspec.json.encode(token), self._clock())
        return token

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        while True:
            with self._lock() as is_ours:
                if is_ours:
                    yield
                    return
            await self._sleep(_LOOK_AGAIN_S)


def _decoded(kept: bytes | None) -> Token | None:
    """The token as it was kept; a version of ours that wrote it otherwise costs a login, not a failure."""
    try:
        return None if kept is None else _DECODER.decode(kept)
    except msgspec.DecodeError:
        return None
