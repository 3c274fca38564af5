-- user_periods: one row is one person and week (Monday to Sunday) or month, by night_of, that has a row in nights.
-- It is no mart of its own: user_weeks and user_months are its rows of a kind.
--
-- Counts are over all its rows in nights; means and regularity over the main sleeps of nights with in_means, each
-- figure over those that have it. completeness and coverage are shares of the expected nights: accounted for (whatever
-- verdict but not checked, provider error and quarantined), and complete.
--
-- Regularity is the circular standard deviation of a local clock time, so that 23:50 and 00:10 are 20 minutes apart:
-- with every time as an angle on the 24-hour clock and R the length of the mean of their unit vectors, it is
-- sqrt(-2 ln R) radians, given in seconds (Mardia and Jupp, Directional Statistics, 2000, section 2.3; Fisher,
-- Statistical Analysis of Circular Data, 1993, section 2.3). The direction of that mean vector is the mean clock time;
-- null where times cancel out. It divides by n, not n - 1; of times close together it is about their ordinary standard
-- deviation. The sleep regularity index is not here: it compares epochs, not nights.
--
-- Reads nights. What is summed is whole numbers (fractions in millionths), so that the order of rows does not matter.
with
dated as (
    select n.*, p.period, cast(date_trunc(p.period, n.night_of) as date) as period_start
    from nights as n
    cross join (select 'week' as period union all select 'month' as period) as p
),
counts as (
    select
        user_id,
        period,
        period_start,
        max(org_id) as org_id,
        count(verdict) as nights_expected,
        sum(case when verdict = 'complete' then 1 else 0 end) as nights_complete,
        sum(case when verdict in ('not_checked', 'provider_error', 'quarantined') then 1 else 0 end)
            as nights_open,
        count(main_session_id) as nights_with_data,
        sum(case when in_means then 1 else 0 end) as nights_in_means,
        sum(naps) as naps,
        sum(round(nap_tracked_s * 1000000)) / 1000000 as nap_tracked_s
    from dated
    group by user_id, period, period_start
),
figures as (
    select
        user_id,
        period,
        period_start,
        cast(sum(time_in_bed_s) as double precision) / count(time_in_bed_s) as time_in_bed_s_mean,
        cast(sum(sleep_period_s) as double precision) / count(sleep_period_s) as sleep_period_s_mean,
        cast(sum(total_sleep_time_s) as double precision) / count(total_sleep_time_s)
            as total_sleep_time_s_mean,
        cast(sum(wake_after_sleep_onset_s) as double precision) / count(wake_after_sleep_onset_s)
            as wake_after_sleep_onset_s_mean,
        cast(sum(sleep_onset_latency_s) as double precision) / count(sleep_onset_latency_s)
            as sleep_onset_latency_s_mean,
        cast(sum(wakeup_latency_s) as double precision) / count(wakeup_latency_s) as wakeup_latency_s_mean,
        cast(sum(light_sleep_s) as double precision) / count(light_sleep_s) as light_sleep_s_mean,
        cast(sum(deep_sleep_s) as double precision) / count(deep_sleep_s) as deep_sleep_s_mean,
        cast(sum(rem_sleep_s) as double precision) / count(rem_sleep_s) as rem_sleep_s_mean,
        cast(sum(latency_to_light_s) as double precision) / count(latency_to_light_s)
            as latency_to_light_s_mean,
        cast(sum(latency_to_deep_s) as double precision) / count(latency_to_deep_s) as latency_to_deep_s_mean,
        cast(sum(latency_to_rem_s) as double precision) / count(latency_to_rem_s) as latency_to_rem_s_mean,
        cast(sum(snoring_s) as double precision) / count(snoring_s) as snoring_s_mean,
        sum(round(cast(sleep_efficiency as double precision) * 1000000)) / 1000000 / count(sleep_efficiency)
            as sleep_efficiency_mean,
        sum(round(cast(sleep_maintenance_efficiency as double precision) * 1000000)) / 1000000
            / count(sleep_maintenance_efficiency) as sleep_maintenance_efficiency_mean,
        cast(sum(awakenings) as double precision) / count(awakenings) as awakenings_mean,
        cast(sum(longest_awakening_s) as double precision) / count(longest_awakening_s)
            as longest_awakening_s_mean,
        cast(sum(sleep_cycles) as double precision) / count(sleep_cycles) as sleep_cycles_mean,
        sum(round(cast(sleep_cycle_mean_s
            as double precision) * 1000000)) / 1000000 / count(sleep_cycle_mean_s)
            as sleep_cycle_mean_s_mean,
        cast(sum(snoring_episodes) as double precision) / count(snoring_episodes) as snoring_episodes_mean,
        cast(sum(stable_breath_s) as double precision) / count(stable_breath_s) as stable_breath_s_mean,
        cast(sum(unstable_breath_s) as double precision) / count(unstable_breath_s) as unstable_breath_s_mean,
        cast(sum(unstable_breath_episodes) as double precision) / count(unstable_breath_episodes)
            as unstable_breath_episodes_mean,
        sum(round(cast(breathing_index as double precision) * 1000000)) / 1000000 / count(breathing_index)
            as breathing_index_mean,
        sum(round(cast(sleep_index as double precision) * 1000000)) / 1000000 / count(sleep_index)
            as sleep_index_mean,
        count(total_sleep_time_s) as slept_n,
        cast(sum(total_sleep_time_s) as double precision) as slept_sum,
        sum(cast(total_sleep_time_s as double precision) * total_sleep_time_s) as slept_squares,
        count(sleep_onset_clock) as onset_n,
        sum(round(cos(extract(epoch from sleep_onset_clock) * pi() / 43200) * 100000000000000))
            / 100000000000000 / count(sleep_onset_clock) as onset_x,
        sum(round(sin(extract(epoch from sleep_onset_clock) * pi() / 43200) * 100000000000000))
            / 100000000000000 / count(sleep_onset_clock) as onset_y,
        count(mid_sleep_clock) as middle_n,
        sum(round(cos(extract(epoch from mid_sleep_clock) * pi() / 43200) * 100000000000000))
            / 100000000000000 / count(mid_sleep_clock) as middle_x,
        sum(round(sin(extract(epoch from mid_sleep_clock) * pi() / 43200) * 100000000000000))
            / 100000000000000 / count(mid_sleep_clock) as middle_y,
        count(final_wake_clock) as wake_n,
        sum(round(cos(extract(epoch from final_wake_clock) * pi() / 43200) * 100000000000000))
            / 100000000000000 / count(final_wake_clock) as wake_x,
        sum(round(sin(extract(epoch from final_wake_clock) * pi() / 43200) * 100000000000000))
            / 100000000000000 / count(final_wake_clock) as wake_y
    from dated
    where in_means
    group by user_id, period, period_start
),
lengths as (
    select
        f.*,
        least(1, sqrt(onset_x * onset_x + onset_y * onset_y)) as onset_r,
        least(1, sqrt(middle_x * middle_x + middle_y * middle_y)) as middle_r,
        least(1, sqrt(wake_x * wake_x + wake_y * wake_y)) as wake_r
    from figures as f
)
select
    n.org_id,
    n.user_id,
    n.period,
    n.period_start,
    n.nights_expected,
    n.nights_complete,
    n.nights_open,
    cast(n.nights_expected - n.nights_open as double precision) / nullif(n.nights_expected, 0)
        as completeness,
    cast(n.nights_complete as double precision) / nullif(n.nights_expected, 0) as coverage,
    n.nights_with_data,
    n.nights_in_means,
    n.naps,
    n.nap_tracked_s,
    f.time_in_bed_s_mean,
    f.sleep_period_s_mean,
    f.total_sleep_time_s_mean,
    f.wake_after_sleep_onset_s_mean,
    f.sleep_onset_latency_s_mean,
    f.wakeup_latency_s_mean,
    f.light_sleep_s_mean,
    f.deep_sleep_s_mean,
    f.rem_sleep_s_mean,
    f.latency_to_light_s_mean,
    f.latency_to_deep_s_mean,
    f.latency_to_rem_s_mean,
    f.snoring_s_mean,
    f.sleep_efficiency_mean,
    f.sleep_maintenance_efficiency_mean,
    f.awakenings_mean,
    f.longest_awakening_s_mean,
    f.sleep_cycles_mean,
    f.sleep_cycle_mean_s_mean,
    f.snoring_episodes_mean,
    f.stable_breath_s_mean,
    f.unstable_breath_s_mean,
    f.unstable_breath_episodes_mean,
    f.breathing_index_mean,
    f.sleep_index_mean,
    case
        when f.slept_n > 1
            then sqrt(greatest(0, f.slept_squares - f.slept_sum * f.slept_sum / f.slept_n) / (f.slept_n - 1))
    end as total_sleep_time_sd_s,
    case
        when f.onset_r > 0.000001
            then time '00:00:00' + cast(floor(
                mod(cast(atan2(f.onset_y, f.onset_x) * 43200000 / pi() + 86400000
                    as decimal(18, 3)), 86400000)
            ) as bigint) * interval '1 millisecond'
    end as sleep_onset_clock_mean,
    case
        when f.middle_r > 0.000001
            then time '00:00:00' + cast(floor(
                mod(cast(atan2(f.middle_y, f.middle_x) * 43200000 / pi() + 86400000
                    as decimal(18, 3)), 86400000)
            ) as bigint) * interval '1 millisecond'
    end as mid_sleep_clock_mean,
    case
        when f.wake_r > 0.000001
            then time '00:00:00' + cast(floor(
                mod(cast(atan2(f.wake_y, f.wake_x) * 43200000 / pi() + 86400000 as decimal(18, 3)), 86400000)
            ) as bigint) * interval '1 millisecond'
    end as final_wake_clock_mean,
    case when f.onset_n > 1 and f.onset_r > 0.000001 then sqrt(-2 * ln(f.onset_r)) * 43200 / pi() end
        as sleep_onset_sd_s,
    case when f.middle_n > 1 and f.middle_r > 0.000001 then sqrt(-2 * ln(f.middle_r)) * 43200 / pi() end
        as mid_sleep_sd_s,
    case when f.wake_n > 1 and f.wake_r > 0.000001 then sqrt(-2 * ln(f.wake_r)) * 43200 / pi() end
        as final_wake_sd_s
from counts as n
left join lengths as f
    on f.user_id = n.user_id and f.period = n.period and f.period_start = n.period_start
