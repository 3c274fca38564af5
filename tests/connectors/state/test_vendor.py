"""The vendor of a home: any to begin with, then the same, until someone says otherwise."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.state.database import State
from connectors.state.vendor import (
    OtherVendor,
    VendorAccount,
    accept_key,
    check_vendor,
    key_fingerprint,
    last_complete_pull,
    remember_complete_pull,
    remember_vendor,
)

ACCOUNT = VendorAccount("asleep", "https://api.asleep.ai", key_fingerprint("canary-key"))
OTHER_KEY = VendorAccount("asleep", "https://api.asleep.ai", key_fingerprint("canary-key-2"))
OTHER_ADDRESS = VendorAccount("asleep", "https://canary.example", key_fingerprint("canary-key"))
PULLED_AT = datetime(2026, 11, 22, 4, 5, 6, tzinfo=UTC)


def remember(state: State, account: VendorAccount) -> None:
    """As a pull does it once the vendor has accepted the key."""
    with state.write() as connection:
        remember_vendor(connection, account)


def test_an_empty_home_accepts_any_vendor(state: State) -> None:
    """Checking alone binds the home to nobody."""
    for account in (ACCOUNT, OTHER_KEY, OTHER_ADDRESS):
        check_vendor(state, account)


def test_the_same_vendor_is_accepted_ever_after(state: State) -> None:
    """However often it is remembered."""
    for _ in range(2):
        remember(state, ACCOUNT)
        check_vendor(state, ACCOUNT)


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        (
            OTHER_ADDRESS,
            "This home was filled from another Asleep address (ASLEEP_BASE_URL has changed): use another "
            "NIGHTSHIFT_HOME, or pass --new-vendor if it is the same account at a new address.",
        ),
        (
            OTHER_KEY,
            "This home was filled with another API key (ASLEEP_API_KEY has changed): use another NIGHTSHIFT_HOME, or "
            "run `nightshift vendor rotate-key` if it is a new key of the same account.",
        ),
    ],
)
def test_another_vendor_is_refused_without_naming_it(state: State, account: VendorAccount, sentence: str) -> None:
    """Which setting changed and what to do; exit code 2; neither address nor key."""
    remember(state, ACCOUNT)
    with pytest.raises(OtherVendor) as refused:
        check_vendor(state, account)
    assert str(refused.value) == sentence
    assert refused.value.exit_code == 2


def test_a_new_key_is_accepted_at_the_same_address_only(state: State) -> None:
    """After a rotation the old key is refused, and so is any key elsewhere; other sources are not touched."""
    elsewhere = VendorAccount("eight_sleep", "https://api.example", "f")
    remember(state, elsewhere)
    remember(state, ACCOUNT)
    accept_key(state, OTHER_KEY)
    check_vendor(state, OTHER_KEY)
    check_vendor(state, elsewhere)
    for refused in (ACCOUNT, OTHER_ADDRESS):
        with pytest.raises(OtherVendor):
            check_vendor(state, refused)


def test_an_account_that_replaces_another_passes_and_is_remembered_only_by_a_pull(state: State) -> None:
    """Saying so once is not enough: until the new address has answered, the old one is this home's."""
    remember(state, ACCOUNT)
    moved = replace(OTHER_ADDRESS, replaces=True)
    check_vendor(state, moved)
    check_vendor(state, ACCOUNT)
    remember(state, moved)
    check_vendor(state, OTHER_ADDRESS)
    with pytest.raises(OtherVendor):
        check_vendor(state, ACCOUNT)


def test_a_fingerprint_tells_keys_apart_and_none_of_them() -> None:
    """It is the same for ever, other for another key, and holds nothing of the key."""
    assert key_fingerprint("canary-key") == "99057acd55adb19e"
    assert len({key_fingerprint(key) for key in ("canary-key", "canary-key ", "Canary-key", "")}) == 4


def test_the_last_complete_pull_is_remembered_beside_the_vendor(state: State) -> None:
    """Never at first; then the newest; remembering the same vendor again does not forget it."""
    assert last_complete_pull(state, "asleep") is None
    remember(state, ACCOUNT)
    assert last_complete_pull(state, "asleep") is None
    remember_complete_pull(state, "asleep", PULLED_AT)
    remember(state, ACCOUNT)
    assert last_complete_pull(state, "asleep") == PULLED_AT
    assert last_complete_pull(state, "eight_sleep") is None
