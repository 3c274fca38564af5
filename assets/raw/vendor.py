"""What a pull asks of a vendor, whichever it is. Who answers is in ``asleep_vendor`` and its neighbours."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from assets.raw.deletions import Brake
from assets.raw.pulled import Known, UserPull
from assets.sources.source import SleepSource
from connectors.answer import Answer
from connectors.http import Calls
from connectors.state.roster import RosterUser
from connectors.state.vendor import VendorAccount

if TYPE_CHECKING:
    from schemas.asleep import SessionRow


@dataclass(frozen=True, slots=True)
class Listed:
    """A session as a list shows it: its start as sent, and a mark that changes with anything the list says of it.

    ``waiting`` says that the vendor has not ended or analysed it yet. ``whole`` is its document, where the list has it.
    """

    session_id: str
    start_time: str
    waiting: bool
    fingerprint: str
    whole: Answer[Any] | None = None
    row: "SessionRow | None" = None

    def __repr__(self) -> str:
        return f"Listed(waiting={self.waiting})"


@dataclass(slots=True)
class Listing:
    """A list as it was answered: every session once, and of each page that raw may keep the sessions on it."""

    sessions: list[Listed] = field(default_factory=list)
    pages: list[tuple[Answer[Any], Sequence[Listed]]] = field(default_factory=list)


Step = Callable[[], Awaitable[None]]


class Vendor(Protocol):
    """An account that is open. What its methods raise are VendorErrors."""

    @property
    def source(self) -> SleepSource:
        """Which source this is."""

    @property
    def calls(self) -> Calls:
        """Requests made so far."""

    async def list_sessions(self, user: RosterUser, first: date, last: date) -> Listing:
        """The sessions of a user that start on these inclusive UTC dates."""

    async def get_session(self, user: RosterUser, session_id: str) -> Answer[Any]:
        """One session's document. Raises: SessionNotFound with the answer's body."""

    async def pull_user(self, look: "Look", pull: UserPull, first: date, last: date) -> None:
        """Pull the sessions that start on ``first``..``last`` (inclusive UTC dates) and everything of the user pending.

        An error that concerns only this user is handed back as ``pull.failure``, with what had been pulled.

        Raises: what ``stops_everything``, once what was in flight for this user has ended.
        """


VendorT_co = TypeVar("VendorT_co", bound=Vendor, covariant=True)


class VendorConnection(Protocol[VendorT_co]):
    """How to reach the account of a source."""

    def account(self) -> VendorAccount:
        """Which account it is. Raises: WrongUsage when the settings have none."""

    def open(self, on_call: Callable[[str], None] | None = None) -> AbstractAsyncContextManager[VendorT_co]:
        """The account, opened; ``on_call`` is told the endpoint of every request. Raises: WrongUsage."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a pull of one user's sessions works with: whom to ask, what is known, the brake on deletions, the time."""

    vendor: Vendor
    known: Known
    brake: Brake
    now: datetime
