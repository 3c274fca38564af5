"""Tokens in the state: sealed, bound to the credentials that bought them, and a note of those that were refused."""

from dataclasses import replace
from datetime import UTC, datetime

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from connectors.state.database import State
from connectors.state.tables import tokens
from connectors.state.tokens import Kept, Secret, TokenStore

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECRET = Secret(b"a secret of at least 16 bytes")


def store(state: State) -> TokenStore:
    """The row of an account."""
    return TokenStore(state, SECRET, "eight_sleep", "account", "credentials")


def test_a_token_comes_back_as_it_was_kept(state: State) -> None:
    """The last one that was kept; nothing before the first."""
    assert store(state).read() == Kept()
    store(state).keep(b"first", NOW)
    store(state).keep(b"second", NOW)
    assert store(state).read() == Kept(b"second")
    with state.read() as connection:
        [sealed] = connection.execute(sa.select(tokens.c.sealed)).scalars()
    assert b"second" not in sealed


def test_a_token_is_of_one_account_and_one_set_of_credentials(state: State) -> None:
    """Other credentials find nothing and take its place; other accounts and sources stand beside it."""
    first = store(state)
    first.keep(b"token", NOW)
    changed = replace(first, credentials="others")
    for other in (changed, replace(first, account="another"), replace(first, source="another")):
        assert other.read() == Kept()
    changed.keep(b"newer", NOW)
    assert (first.read(), changed.read()) == (Kept(), Kept(b"newer"))


def test_refused_credentials_stay_refused_until_they_change(state: State) -> None:
    """Whatever token there was is forgotten."""
    first = store(state)
    first.keep(b"token", NOW)
    first.refuse(NOW)
    assert first.read() == Kept(refused=True)
    assert replace(first, credentials="corrected").read() == Kept()
    with state.read() as connection:
        assert connection.execute(sa.select(tokens.c.sealed)).scalars().all() == [None]


def test_another_secret_opens_nothing(state: State) -> None:
    """It is as if no token had been kept."""
    store(state).keep(b"token", NOW)
    assert replace(store(state), secret=Secret(b"another secret of 16 bytes")).read() == Kept()
    assert SECRET.unseal(b"damaged") is None


@given(one=st.lists(st.text(max_size=4), max_size=3), other=st.lists(st.text(max_size=4), max_size=3))
def test_a_mark_tells_its_texts_apart(one: list[str], other: list[str]) -> None:
    """Equal for equal texts only, also when they run together alike, and another under another secret."""
    assert (SECRET.mark(*one) == SECRET.mark(*other)) == (one == other)
    assert SECRET.mark(*one) != Secret(b"another secret of 16 bytes").mark(*one)


def test_a_secret_does_not_show_itself() -> None:
    """Nor does what it has unsealed."""
    assert "secret of" not in repr(SECRET)
    assert "token" not in repr(Kept(b"a token")).replace("token=", "")
