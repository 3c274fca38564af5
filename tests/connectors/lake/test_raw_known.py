"""Raw documents that were fetched again: the revision and the time that the ledger remembers stay theirs."""

import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.lake.raw import RawStore
from tests.connectors.lake.documents import DAY, FETCHED_AT, document

MUCH_LATER = FETCHED_AT + timedelta(days=30)


def test_a_document_fetched_again_keeps_its_revision_and_its_time(tmp_path: Path) -> None:
    """Its earlier versions are lost, yet it is the third one, first fetched when the ledger says; the bytes are new."""
    again = document(body=b"fetched again", fetched_at=MUCH_LATER, known_revision=3, known_since=FETCHED_AT)
    RawStore(tmp_path).append([again])
    (current,) = RawStore(tmp_path).current("asleep", "session", DAY)
    assert (current.revision, current.fetched_at) == (3, FETCHED_AT)
    assert current.document == again


def test_what_comes_after_a_document_fetched_again_is_the_next_revision(tmp_path: Path) -> None:
    """Numbers go on where the ledger was."""
    store = RawStore(tmp_path)
    store.append([document(known_revision=3, known_since=FETCHED_AT)])
    store.append([document(content_hash="hash of version 4", fetched_at=MUCH_LATER)])
    (versions,) = store.versions("asleep", "session", DAY)
    assert [(version.revision, version.fetched_at) for version in versions] == [(3, FETCHED_AT), (4, MUCH_LATER)]


def test_a_number_given_once_more_changes_nothing_but_the_revision(tmp_path: Path) -> None:
    """The same document with its number is the same version: a plain copy beside it does not double or renumber it."""
    store = RawStore(tmp_path)
    store.append([document()])
    store.append([document(known_revision=2)])
    (versions,) = store.versions("asleep", "session", DAY)
    assert [(version.revision, version.document, version.fetched_at) for version in versions] == [
        (2, document(), FETCHED_AT)
    ]


@settings(max_examples=30, deadline=None)
@given(known=st.integers(1, 9), before=st.integers(0, 4))
def test_a_revision_never_falls_back(known: int, before: int) -> None:
    """It is at least the one that was given, and at least the number of versions that are there."""
    history = [
        document(content_hash=f"hash {number}", fetched_at=FETCHED_AT + timedelta(hours=number))
        for number in range(before)
    ]
    again = document(content_hash="again", fetched_at=MUCH_LATER, known_revision=known)
    with tempfile.TemporaryDirectory() as folder:
        RawStore(Path(folder)).append([*history, again])
        (current,) = RawStore(Path(folder)).current("asleep", "session", DAY)
    assert current.revision == max(known, before + 1)
