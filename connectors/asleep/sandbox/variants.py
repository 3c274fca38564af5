"""Other shapes and readings of the same answers, as the vendor's documents have them beside the usual ones.

Pure functions of a whole 2xx body. A variant changes the answers it is about and leaves the others alone; several go
together, always in the order of ``VARIANTS``. Which are on is up to ``World.set_variants``.
"""

from collections.abc import Collection
from copy import deepcopy
from typing import NamedTuple

from connectors.asleep.sandbox import reshaping as to
from connectors.asleep.sandbox.reshaping import Changes, Json

_NOT_IN_LEAN_MEANS = (
    *("stable_breath_ratio", "unstable_breath_ratio", "unstable_breath_count", "snoring_ratio", "no_snoring_ratio"),
    *("snoring_count", "waso_count", "longest_waso", "sleep_cycle_count", "sleep_cycle"),
)


class Variant(NamedTuple):
    """What it shows in one sentence, and what it changes."""

    about: str
    changes: Changes


def applied(names: Collection[str], endpoint: str, body: Json) -> Json:
    """``body`` as it looks with the variants of these names; ``body`` itself stays as it is.

    Args:
        names: Keys of ``VARIANTS``.
        endpoint: One of ``reshaping.ENDPOINTS``.
        body: The whole answer: ``detail`` and ``result``.

    Raises:
        KeyError: there is no variant of that name.
    """
    wanted = {name: _DEFINED[name] for name in names}
    changed = deepcopy(body)
    for name in _DEFINED:
        for where, places, change in wanted[name].changes if name in wanted else ():
            if where == endpoint:
                for place in places(changed):
                    change(place)
    return changed


_DEFINED = {
    "three_decimals": Variant("Ratios of a session have three decimals, not two.", to.of_sessions(to.three_decimals)),
    "percent_efficiency": Variant(
        "sleep_efficiency is a percentage, not a fraction.", to.of_sessions_and_means(lambda _: to.percent_efficiency)
    ),
    "clock_sleep_time": Variant(
        "sleep_time of a session is HH:MM:SS, how long was slept, not the moment of onset.",
        [("detail", to.stat, to.duration_as_sleep_time)],
    ),
    "duration_as_mean_sleep_time": Variant(
        "sleep_time of the means is how long was slept, not the clock time of onset.",
        [("stats", to.means, to.duration_as_sleep_time)],
    ),
    "ratios_over_sleep": Variant(
        "light, deep and rem ratio are of the time asleep, not of the sleep period.",
        to.of_sessions_and_means(to.stages_over_sleep),
    ),
    "snoring_over_sleep": Variant(
        "Snoring and no snoring add up to the time asleep, not to the sleep period.",
        to.of_sessions_and_means(to.snoring_over_sleep),
    ),
    "cycle_list_with_order": Variant(
        "sleep_cycle is a list of objects with order, start_time and end_time, not a number of seconds.",
        [("detail", to.stat, to.cycle_list("order", 1))],
    ),
    "cycle_list_with_index": Variant(
        "sleep_cycle is a list of objects with index, start_time and end_time, not a number of seconds.",
        [("detail", to.stat, to.cycle_list("index", 0))],
    ),
    "latencies_from_start": Variant(
        "light, deep and rem latency count from the start of the session, not from the onset of sleep.",
        to.of_sessions(to.latencies_from_start),
    ),
    "decimal_sleep_index": Variant(
        "sleep_index is a decimal number from 0 on, not a whole number from 50 on.",
        [("detail", to.stat, to.decimal_sleep_index)],
    ),
    "breath_stages_always": Variant(
        "breath_stages are zeros, not null, without breathing analysis.",
        [("detail", to.session, to.breath_stages_always)],
    ),
    "breathing_flag_with_figures": Variant(
        "NO_BREATHING_STABILITY stands for odd breathing data: it is there beside breath figures.",
        [("detail", to.result, to.flag_breathing), ("stats", to.result, to.flag_breathing)],
    ),
    "closed_without_time_in_bed": Variant(
        "time_in_bed of a CLOSED session is null in the list.", [("list", to.list_rows, to.no_time_in_bed_yet)]
    ),
    "session_zone": Variant(
        "The zone is session.timezone; there is no created_timezone and no timezone beside the session.",
        [("detail", to.result, to.zone_in_session)],
    ),
    "old_last_session": Variant(
        "last_session_info is session_id, state, session_start_time and session_end_time, named as in the list.",
        [("user", to.last_session, to.session_times_in_last)],
    ),
    "period_with_days": Variant(
        "The period of average stats has days, not a timezone.", [("stats", to.period, to.days_of_period)]
    ),
    "lean_means": Variant(
        "Means have no counts, no cycles, and no ratios but those of sleep.",
        [("stats", to.means, to.without(*_NOT_IN_LEAN_MEANS))],
    ),
    "lean_slept_rows": Variant(
        "Everything a slept row may leave out is null in it.", [("stats", to.slept_rows, to.lean_row)]
    ),
    "short_slept_rows": Variant(
        "Slept rows are session_id and session_start_time, no more.", [("stats", to.slept_rows, to.short_row)]
    ),
    "never_slept_unlisted": Variant(
        "never_slept_sessions is empty, whoever lay awake.", [("stats", to.result, to.having(never_slept_sessions=[]))]
    ),
    "without_never_slept": Variant(
        "Average stats have no never_slept_sessions.", [("stats", to.result, to.without("never_slept_sessions"))]
    ),
    "without_lists": Variant(
        "Average stats name no sessions at all.",
        [("stats", to.result, to.without("never_slept_sessions", "slept_sessions"))],
    ),
    "success_everywhere": Variant("detail is success, never OK.", to.everywhere(to.having(detail="success"))),
    "odd_detail": Variant(
        "The answer to PUT is misspelt: detail is sucess, and gender is gendar.",
        [("update_user", to.envelope, to.misspelt)],
    ),
    "absent_for_null": Variant("Fields that are null are left out.", to.everywhere(to.leave_out_nulls)),
    "unknown_fields": Variant(
        "Every object has fields nobody knows, of every type of JSON.", to.everywhere(to.add_unknown_fields)
    ),
    "whole_for_decimal": Variant(
        "Decimal numbers without a fraction are whole: 1 for 1.0.", to.everywhere(to.decimal_numbers_as_whole)
    ),
    "whole_as_decimal": Variant("Whole numbers are decimal: 3.0 for 3.", to.everywhere(to.whole_numbers_as_decimal)),
    "z_offsets": Variant("Times at UTC end in Z, not in +00:00.", to.everywhere(to.times_in_z)),
    "fractional_times": Variant("Times have milliseconds.", to.everywhere(to.times_in_milliseconds)),
}

VARIANTS: dict[str, str] = {name: variant.about for name, variant in _DEFINED.items()}
"""Every variant by name, with one sentence about what it shows."""
