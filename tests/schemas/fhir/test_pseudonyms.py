"""Pseudonyms: stable, keyed, unambiguous, legal as FHIR ids, silent about the key."""

import re
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.fhir import Kind, Pseudonymizer
from schemas.fhir.pseudonyms import KIND_LETTERS

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("kind", "pseudonym"),
    [
        ("patient", "p22a44ef678661e265720034c0347a545c182d249"),
        ("device", "d60e6ece0c2e0dc770e4b271a0499e4eb6d66847c"),
        ("session", "s1f291bddd6ffbabaae3c1917c2d3b3aaf4df6e5b"),
        ("hypnogram", "h5f88901118ae8984dbb1687a7d061a98fbcc36be"),
        ("average-stats", "a894660c994025b11013f7394fa6f889a18bcc22e"),
    ],
)
def test_a_pseudonym_never_changes(kind: Kind, pseudonym: str) -> None:
    """Every id already sent out depends on the encoding, so these are pinned."""
    assert Pseudonymizer(KEY).of(kind, "clinic", "asleep", "G-1") == pseudonym


def test_another_key_gives_other_pseudonyms() -> None:
    """Without the key nobody can recompute an id."""
    one, other = Pseudonymizer(KEY), Pseudonymizer(KEY[::-1])
    assert one.of("patient", "clinic", "asleep", "G-1") != other.of("patient", "clinic", "asleep", "G-1")


def test_each_part_counts() -> None:
    """Organisation, source, kind and id each make another pseudonym, beyond the kind's letter."""
    kinds: tuple[Kind, ...] = get_args(Kind)
    made = [Pseudonymizer(KEY).of(kind, *rest) for kind, *rest in product(kinds, "ab", "cd", "ef")]
    assert len({pseudonym[1:] for pseudonym in made}) == len(kinds) * 8


@given(st.lists(st.text(alphabet="a:/|,\0é", max_size=3), min_size=3, max_size=3), st.integers(0, 2))
def test_a_character_moved_to_the_next_part_makes_another_pseudonym(parts: list[str], cut: int) -> None:
    """Where one part ends is part of the name: (ab, c) is not (a, bc)."""
    pseudonyms = Pseudonymizer(KEY)
    moved = parts.copy()
    moved[(cut + 1) % 3] = parts[cut][-1:] + parts[(cut + 1) % 3]
    moved[cut] = parts[cut][:-1]
    same = pseudonyms.of("session", *parts) == pseudonyms.of("session", *moved)
    assert same == (parts == moved)


@given(st.sampled_from(get_args(Kind)), st.text(), st.text(), st.text())
def test_a_pseudonym_is_a_letter_and_hex_and_a_legal_id(kind: Kind, org_id: str, source: str, id: str) -> None:
    """At most 64 characters, whatever the parts hold."""
    pseudonym = Pseudonymizer(KEY).of(kind, org_id, source, id)
    assert re.fullmatch(r"[a-z][0-9a-f]{32,63}", pseudonym)
    assert pseudonym[0] == KIND_LETTERS[kind]


def test_each_kind_has_a_letter_of_its_own() -> None:
    """The letter says what a pseudonym names."""
    assert len(set(KIND_LETTERS.values())) == len(KIND_LETTERS) == len(get_args(Kind))


def test_the_key_is_not_shown() -> None:
    """Neither repr nor str of a Pseudonymizer holds the key."""
    pseudonyms = Pseudonymizer(b"a very secret key")
    assert "secret" not in f"{pseudonyms!r} {pseudonyms}"
    assert b"a very secret key".hex() not in repr(pseudonyms)


@pytest.mark.parametrize("key", [b"", b"short secret"])
def test_a_key_that_hides_nothing_is_refused(key: bytes) -> None:
    """An empty or short key is an error, and the error does not show it."""
    with pytest.raises(ValueError, match="less than 16 bytes") as refused:
        Pseudonymizer(key)
    assert "secret" not in str(refused.value)
