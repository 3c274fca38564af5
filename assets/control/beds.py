"""The beds of all accounts, and a command to one of them: in its turn, both sides in one call."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from connectors.eight_sleep.client import EightSleepClient
from connectors.eight_sleep.connection import EightSleepConnection
from connectors.eight_sleep.pacing import BedTurns
from connectors.errors import NightshiftError, WrongUsage
from connectors.state.tokens import Secret
from schemas.bed_schedule import check_levels, seconds_between
from schemas.eight_sleep import BedStatus, Device


@dataclass(frozen=True)
class Bed:
    """A bed and the account (1 is the first) by which it is reached; of partners' accounts, the first one."""

    account: int
    connection: EightSleepConnection = field(repr=False)
    client: EightSleepClient = field(repr=False)
    device: Device = field(repr=False)

    @property
    def name(self) -> str:
        """What a person reads on it; else the id."""
        return self.device.device_id or self.device.id

    def is_called(self, name: str) -> bool:
        """Whether a person or a schedule means this bed."""
        return name in (self.device.id, self.device.device_id)

    @property
    def mark(self) -> str:
        """A letter and 32 hex digits that stand for the bed in this home without naming it."""
        return Secret(self.connection.home.secret_for_tokens()).mark("bed", self.device.id)

    async def status(self) -> BedStatus:
        """What the bed says of itself. Raises: VendorError."""
        return await self.client.get_status(self.device.id)

    async def tell(self, left: int | None, right: int | None, duration_s: int) -> None:
        """Set levels for so many seconds, 0 until told otherwise; None leaves a side as it is.

        Waits until the last command to this bed, whoever has sent it, is long enough ago.
        Raises: WrongUsage without a call, VendorError, DiskUnavailable.
        """
        refuse_bad_levels(left, right, duration_s)
        async with self._turn():
            await self.client.set_temperature(left, right, duration_s, device_id=self.device.id)

    async def tell_until(self, left: int | None, right: int | None, until: datetime) -> None:
        """The same for as long as is left until then when the turn has come; nothing when it is over by then."""
        refuse_bad_levels(left, right, 0)
        async with self._turn():
            duration_s = seconds_between(self.connection.home.clock(), until)
            if duration_s:  # 0 would be for ever
                await self.client.set_temperature(left, right, duration_s, device_id=self.device.id)

    def _turn(self) -> AbstractAsyncContextManager[None]:
        home, name = self.connection.home, f"eight-sleep-bed-{self.mark}"
        turns = BedTurns(
            lambda: home.lock(name, wait_s=0),
            home.root / "locks" / f"{name}.turn",
            clock=self.connection.seconds,
            sleep=self.connection.sleep,
        )
        return turns.mine()


@dataclass
class Beds:
    """The beds that were found, each once, and what went wrong at accounts whose beds are not known."""

    found: list[Bed]
    failures: list[NightshiftError]

    def only(self, name: str | None) -> Bed:
        """The bed that is meant: the one of this name, or the only one. Raises: WrongUsage, or the one failure."""
        beds = self.named(name)
        if len(beds) > 1:
            raise WrongUsage(
                f"There are {len(beds)} beds: say which with --bed; nightshift bed status shows their names."
            )
        return beds[0]

    def named(self, name: str | None) -> list[Bed]:
        """The bed of this name, or all of them. Raises: WrongUsage, or a failure when no account could be asked."""
        beds = self.found if name is None else [bed for bed in self.found if bed.is_called(name)]
        if not beds and self.failures:
            raise self.failures[0]
        if not beds and name is None:
            raise WrongUsage("The Eight Sleep account has no bed: add one in its app.")
        if not beds:
            raise WrongUsage("No account has a bed of this name: nightshift bed status shows their names.")
        return beds


@asynccontextmanager
async def open_beds(accounts: Sequence[EightSleepConnection], account: int | None = None) -> AsyncIterator[Beds]:
    """Log in and list the beds; of the account of this number only, if it is given. Raises: WrongUsage."""
    beds = Beds([], [])
    async with AsyncExitStack() as opened:
        for number, connection in chosen(accounts, account):
            client = await opened.enter_async_context(connection.open())
            try:
                devices = await client.get_devices()
            except NightshiftError as error:
                beds.failures.append(error)
                continue
            known = {bed.device.id for bed in beds.found}
            beds.found += [Bed(number, connection, client, device) for device in devices if device.id not in known]
        yield beds


def chosen(accounts: Sequence[EightSleepConnection], account: int | None) -> list[tuple[int, EightSleepConnection]]:
    """The accounts with their numbers, or the one of this number. Raises: WrongUsage."""
    if not accounts:
        raise WrongUsage(
            "No Eight Sleep account is set: put EIGHT_SLEEP_EMAIL and EIGHT_SLEEP_PASSWORD, or "
            "EIGHT_SLEEP_ACCOUNTS_FILE, into .env."
        )
    if account is not None and not 1 <= account <= len(accounts):
        raise WrongUsage(f"--account must be from 1 to {len(accounts)}, in the order of the settings.")
    return [pair for pair in enumerate(accounts, 1) if account in (None, pair[0])]


def refuse_bad_levels(left: int | None, right: int | None, duration_s: int) -> None:
    """See that the command can be sent, before anything is asked. Raises: WrongUsage."""
    if problem := check_levels(left, right, duration_s):
        raise WrongUsage(f"Nothing was sent: {problem}.")
