"""Watching who is in bed: polling the status of beds and telling every change, through failures, until stopped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from assets.control.applying import OFFLINE
from assets.control.beds import chosen
from connectors.eight_sleep.budget import STATUS
from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.errors import DeviceOffline, KeyRefused, NightshiftError, WrongUsage, stops_everything
from schemas.eight_sleep import BedStatus, Device

Tell = Callable[[str], None]

Keep = Callable[[BedStatus], None]
"""What becomes of every answer, also of a bed that is offline."""


def keep_nothing(status: BedStatus) -> None:
    """Let an answer go."""


WORDS = {True: "in bed", False: "out of bed"}


@dataclass
class _WatchedBed:
    device: Device
    presence: dict[str, bool] = field(default_factory=dict)
    failing: bool = False

    @property
    def name(self) -> str:
        return self.device.device_id or self.device.id

    def changes(self, status: BedStatus) -> Iterator[tuple[str, bool, bool]]:
        """Each side whose presence is another one, whether it was known before, and what it is now."""
        for side in (status.left, status.right):
            before = self.presence.get(side.side)
            self.presence[side.side] = side.presence
            if before is not side.presence:
                yield side.side, before is not None, side.presence


class Watch:
    """Polls the beds of the accounts: ``tell`` gets a line for each change, ``note`` what is to be known besides."""

    def __init__(
        self,
        accounts: Sequence[EightSleepConnection],
        tell: Tell,
        note: Tell,
        name: str | None = None,
        keep: Keep = keep_nothing,
    ) -> None:
        self._seen: set[str] = set()
        self._accounts = [_WatchedAccount(connection, tell, note, name, keep, self._seen) for connection in accounts]

    async def run(self, every_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Poll for ever, ``every_s`` seconds apart.

        Raises: WrongUsage when that is more often than the vendor allows or no bed has the name, KeyRefused.
        """
        try:
            while True:
                for account in self._accounts:
                    await account.poll(every_s)
                if all(account.has_nothing for account in self._accounts):
                    raise WrongUsage("No account has such a bed: nightshift bed status shows their names.")
                await sleep(every_s)
        finally:
            for account in self._accounts:
                await account.close()


class _WatchedAccount:
    """One account; its client is opened anew after an error that closes it."""

    def __init__(
        self, connection: EightSleepConnection, tell: Tell, note: Tell, name: str | None, keep: Keep, seen: set[str]
    ) -> None:
        self._connection = connection
        self._tell = tell
        self._note = note
        self._name = name
        self._keep = keep
        self._seen = seen
        self._beds: list[_WatchedBed] | None = None
        self._client: EightSleepClient | None = None
        self._opened = AsyncExitStack()
        self._failing = False

    @property
    def has_nothing(self) -> bool:
        """Whether the account was asked and has no bed to watch."""
        return self._beds == []

    async def poll(self, every_s: float) -> None:
        """Ask for each bed once; what fails is told once, and once when it is back."""
        try:
            beds = await self._known_beds()
        except (WrongUsage, KeyRefused):
            raise
        except NightshiftError as error:
            await self._failed(error)
            return
        if self._failing:
            self._failing = False
            self._note(f"{self._now()} Eight Sleep answers again.")
        check_pace(every_s, len(beds))
        for bed in beds:
            await self._poll_bed(bed)

    async def close(self) -> None:
        """End the client; the next poll opens another."""
        self._client = None
        await self._opened.aclose()

    async def _poll_bed(self, bed: _WatchedBed) -> None:
        try:
            status = await (await self._open()).get_status(bed.device.id)
        except KeyRefused:
            raise
        except NightshiftError as error:
            self._cannot_watch(bed, error)
            if stops_everything(error):
                await self.close()
            return
        self._keep(status)
        if not status.online:
            self._cannot_watch(bed, DeviceOffline(OFFLINE))
            return
        if bed.failing:
            bed.failing = False
            self._note(f"{self._now()} {bed.name} is watched again.")
        for side, was_known, presence in bed.changes(status):
            line = f"{self._now()} {bed.name} {side}: {WORDS[presence]}"
            (self._tell if was_known else self._note)(line)

    def _cannot_watch(self, bed: _WatchedBed, error: NightshiftError) -> None:
        if not bed.failing:
            bed.failing = True
            self._note(f"{self._now()} {bed.name} cannot be watched: {error}")

    async def _known_beds(self) -> list[_WatchedBed]:
        if self._beds is None:
            devices = await (await self._open()).get_devices()
            wanted = [one for one in devices if self._name in (None, one.id, one.device_id)]
            self._beds = [_WatchedBed(device) for device in wanted if device.id not in self._seen]
            self._seen.update(bed.device.id for bed in self._beds)  # partners' accounts have the same one
        return self._beds

    async def _open(self) -> EightSleepClient:
        if self._client is None:
            self._client = await self._opened.enter_async_context(self._connection.open())
        return self._client

    async def _failed(self, error: NightshiftError) -> None:
        await self.close()
        if not self._failing:
            self._failing = True
            self._note(f"{self._now()} Eight Sleep cannot be asked: {error}")

    def _now(self) -> str:
        return f"{self._connection.home.clock():%Y-%m-%dT%H:%M:%SZ}"


def watch(
    accounts: Sequence[EightSleepConnection],
    tell: Tell,
    note: Tell,
    *,
    every_s: float,
    name: str | None = None,
    account: int | None = None,
    keep: Keep = keep_nothing,
) -> None:
    """Watch until it is interrupted. Raises: as ``Watch.run``; KeyboardInterrupt."""
    connections = [connection for _, connection in chosen(accounts, account)]
    check_pace(every_s, 1)
    asyncio.run(Watch(connections, tell, note, name, keep).run(every_s, connections[0].sleep))


def check_pace(every_s: float, beds: int) -> None:
    """See that so many beds of an account may be asked that often. Raises: WrongUsage."""
    least_s = 60 / STATUS.per_minute * max(1, beds)
    if not every_s >= least_s:
        raise WrongUsage(
            f"--every must be at least {least_s:g} seconds for {max(1, beds)} bed(s): Eight Sleep allows "
            f"{STATUS.per_minute} looks a minute."
        )
