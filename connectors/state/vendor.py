"""Which vendor account this home was filled from, so that two accounts never mix in one home."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa

from connectors.errors import WrongUsage
from connectors.state.database import State, upsert
from connectors.state.tables import vendors
from schemas.asleep import ASLEEP
from schemas.eight_sleep import EIGHT_SLEEP

_ADDRESSES = {
    ASLEEP: ("Asleep", "ASLEEP_BASE_URL"),
    EIGHT_SLEEP: ("Eight Sleep", "EIGHT_SLEEP_CLIENT_URL"),
}
"""The vendors' names, and the settings that say where they answer."""


class OtherVendor(WrongUsage):
    """The home belongs to another base URL or another API key."""


def key_fingerprint(api_key: str) -> str:
    """A short one-way mark of a key (16 hex digits), enough to see that it is another one."""
    return sha256(b"nightshift key fingerprint\n" + api_key.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class VendorAccount:
    """An account at a vendor: where it answers and which key opens it, as a fingerprint."""

    source: str
    base_url: str
    key_fingerprint: str
    replaces: bool = False
    """Whether the user says that this is the remembered account at a new address or with a new key."""


def check_vendor(state: State, account: VendorAccount) -> None:
    """Refuse an account other than the remembered one; an empty home accepts any.

    Raises: OtherVendor.
    """
    with state.read() as connection:
        known = connection.execute(sa.select(vendors).where(vendors.c.source == account.source)).one_or_none()
    if known is None or account.replaces:
        return
    if known.base_url != account.base_url:
        name, setting = _ADDRESSES[account.source]
        raise OtherVendor(
            f"This home was filled from another {name} address ({setting} has changed): use another "
            "NIGHTSHIFT_HOME, or pass --new-vendor if it is the same account at a new address."
        )
    if known.key_fingerprint != account.key_fingerprint:
        raise OtherVendor(
            "This home was filled with another API key (ASLEEP_API_KEY has changed): use another NIGHTSHIFT_HOME, or "
            "run `nightshift vendor rotate-key` if it is a new key of the same account."
        )


def remember_vendor(connection: sa.Connection, account: VendorAccount) -> None:
    """Remember the account of this home; called once the vendor has accepted the key."""
    row = {"source": account.source, "base_url": account.base_url, "key_fingerprint": account.key_fingerprint}
    upsert(connection, vendors, [row])


def accept_key(state: State, account: VendorAccount) -> None:
    """Take the account's key for a new one of the remembered account; another address stays refused."""
    with state.write() as connection:
        connection.execute(
            sa.update(vendors).where(vendors.c.source == account.source).values(key_fingerprint=account.key_fingerprint)
        )


def remember_complete_pull(state: State, source: str, at: datetime) -> None:
    """Note when every user was last pulled without a failure."""
    with state.write() as connection:
        connection.execute(sa.update(vendors).where(vendors.c.source == source).values(last_complete_pull_at=at))


def last_complete_pull(state: State, source: str) -> datetime | None:
    """When every user was last pulled without a failure, in UTC; None if never."""
    with state.read() as connection:
        return connection.execute(
            sa.select(vendors.c.last_complete_pull_at).where(vendors.c.source == source)
        ).scalar_one_or_none()
