"""Tokens of vendors that are logged in to: one row an account, sealed with the home's secret, shared by all runs.

Beside it stands which credentials bought the token, or that the vendor refused them, both as marks that lead back to
nobody without the secret. What a token says and how it is bought is for the vendor's client.
"""

import base64
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa
from cryptography.fernet import Fernet, InvalidToken

from connectors.state.database import State, upsert
from connectors.state.tables import tokens


@dataclass(frozen=True)
class Secret:
    """The secret of a home, for sealing and for marks; it is never used as it is."""

    key: bytes = field(repr=False)

    def mark(self, *parts: str) -> str:
        """A letter and 32 hex digits for these texts, the same whenever they and the secret are the same."""
        # Each with its length before it, so that no two lists of texts run together.
        told = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in ("mark", *parts))
        return "m" + hmac.new(self.key, told, sha256).hexdigest()[:32]

    def seal(self, text: bytes) -> bytes:
        """Encrypt (Fernet)."""
        return self._fernet().encrypt(text)

    def unseal(self, sealed: bytes) -> bytes | None:
        """Decrypt; None when it was sealed with another secret or is damaged."""
        try:
            return self._fernet().decrypt(sealed)
        except InvalidToken:
            return None

    def _fernet(self) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(hmac.new(self.key, b"tokens", sha256).digest()))


@dataclass(frozen=True)
class Kept:
    """What is known of an account: ``token`` as it was kept, or that its credentials were ``refused``."""

    token: bytes | None = field(default=None, repr=False)
    refused: bool = False


@dataclass(frozen=True)
class TokenStore:
    """The row of one account; ``account`` and ``credentials`` are marks."""

    state: State
    secret: Secret
    source: str
    account: str
    credentials: str

    def read(self) -> Kept:
        """What is known; nothing as soon as the credentials are others. Raises: StateUnavailable."""
        mine = (tokens.c.source == self.source) & (tokens.c.account == self.account)
        with self.state.read() as connection:
            row = connection.execute(sa.select(tokens).where(mine)).one_or_none()
        if row is None or row.credentials != self.credentials:
            return Kept()
        return Kept(refused=True) if row.sealed is None else Kept(self.secret.unseal(row.sealed))

    def keep(self, token: bytes, at: datetime) -> None:
        """Keep a token in place of the one before. Raises: StateUnavailable."""
        self._write(self.secret.seal(token), at)

    def refuse(self, at: datetime) -> None:
        """Note that the vendor refuses these credentials. Raises: StateUnavailable."""
        self._write(None, at)

    def _write(self, sealed: bytes | None, at: datetime) -> None:
        names = {"source": self.source, "account": self.account, "credentials": self.credentials}
        with self.state.write() as connection:
            upsert(connection, tokens, [{**names, "sealed": sealed, "changed_at": at}])
