"""Whatever Asleep sends beside sessions becomes a record that fits its table, or is refused without a word of it.

Sessions, of every source, are tried in ``tests.assets.sources``.
"""

from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.lake.normalise_averages import normalise_average_stats
from assets.lake.users import user_row
from assets.sources.asleep_documents import decode_average_stats, decode_user
from assets.sources.decoding import Refused
from schemas.canonical import average_stats_hash, user_hash
from schemas.tables import AVERAGE_STATS, USERS
from tests.assets.homes import sleeper
from tests.assets.lake.any_document import any_bytes, any_document
from tests.assets.lake.documents import MONTH_STATS, USER_ID, current, stats_document, user_document
from tests.assets.lake.fitting import fits, tells_nothing
from tests.schemas import samples

ZONES = st.sampled_from(("UTC", "Asia/Seoul", "Pacific/Kiritimati", "Pacific/Niue"))


@settings(max_examples=300, deadline=None)
@given(body=any_document(MONTH_STATS), zone=ZONES)
def test_any_averages_become_a_row_or_are_refused(body: bytes, zone: str) -> None:
    """As with sessions."""
    assert average_stats_hash(body)
    try:
        row = normalise_average_stats(decode_average_stats(current(stats_document(body))), "clinic", zone)
    except Refused as refused:
        tells_nothing(refused)
        return
    fits(AVERAGE_STATS, [row])


@settings(max_examples=300, deadline=None)
@given(body=any_document(samples.USER))
def test_any_user_becomes_a_row_or_is_refused(body: bytes) -> None:
    """As with sessions."""
    assert user_hash(body)
    try:
        user = decode_user(current(user_document(body)))
    except Refused as refused:
        tells_nothing(refused)
        return
    row = user_row(sleeper(USER_ID), user)
    assert fits(USERS, [row]) == [row]


@settings(deadline=None)
@given(st.sampled_from((MONTH_STATS, samples.USER)).flatmap(any_bytes))
def test_bytes_that_are_no_document_are_refused_by_every_kind(body: bytes) -> None:
    """An answer cut short or mixed up has a hash and is either read or refused."""
    for content_hash in (average_stats_hash, user_hash):
        assert content_hash(body)
    for decode, document in (
        (decode_average_stats, stats_document(body)),
        (decode_user, user_document(body)),
    ):
        with suppress(Refused):
            assert decode(current(document)).content
