-- cohort_days: one row is one night of one organisation, over its users whose night was expected (has a verdict).
--
-- Nights that are not over yet have no row, so that early sleepers do not stand for everybody. Quantiles are over the
-- main sleeps of nights with in_means that have the figure, interpolated between two users; null without any.
-- No row names a user, but where users_in_means is small its quantiles are figures of single persons.
--
-- Reads nights.
with
expected as (
    select
        org_id,
        night_of,
        verdict,
        in_means,
        case when in_means then total_sleep_time_s end as total_sleep_time_s,
        case when in_means then time_in_bed_s end as time_in_bed_s,
        case when in_means then sleep_efficiency end as sleep_efficiency,
        case when in_means then sleep_onset_latency_s end as sleep_onset_latency_s,
        case when in_means then wake_after_sleep_onset_s end as wake_after_sleep_onset_s,
        case when in_means then mid_sleep_after_noon_s end as mid_sleep_after_noon_s
    from nights
    where verdict is not null
)
select
    org_id,
    night_of,
    count(*) as users_expected,
    sum(case when verdict = 'complete' then 1 else 0 end) as users_complete,
    sum(case when verdict in ('not_checked', 'provider_error', 'quarantined') then 1 else 0 end) as users_open,
    sum(case when in_means then 1 else 0 end) as users_in_means,
    percentile_cont(0.10) within group (order by total_sleep_time_s) as total_sleep_time_s_p10,
    percentile_cont(0.25) within group (order by total_sleep_time_s) as total_sleep_time_s_p25,
    percentile_cont(0.50) within group (order by total_sleep_time_s) as total_sleep_time_s_p50,
    percentile_cont(0.75) within group (order by total_sleep_time_s) as total_sleep_time_s_p75,
    percentile_cont(0.90) within group (order by total_sleep_time_s) as total_sleep_time_s_p90,
    percentile_cont(0.10) within group (order by time_in_bed_s) as time_in_bed_s_p10,
    percentile_cont(0.25) within group (order by time_in_bed_s) as time_in_bed_s_p25,
    percentile_cont(0.50) within group (order by time_in_bed_s) as time_in_bed_s_p50,
    percentile_cont(0.75) within group (order by time_in_bed_s) as time_in_bed_s_p75,
    percentile_cont(0.90) within group (order by time_in_bed_s) as time_in_bed_s_p90,
    percentile_cont(0.10) within group (order by sleep_efficiency) as sleep_efficiency_p10,
    percentile_cont(0.25) within group (order by sleep_efficiency) as sleep_efficiency_p25,
    percentile_cont(0.50) within group (order by sleep_efficiency) as sleep_efficiency_p50,
    percentile_cont(0.75) within group (order by sleep_efficiency) as sleep_efficiency_p75,
    percentile_cont(0.90) within group (order by sleep_efficiency) as sleep_efficiency_p90,
    percentile_cont(0.10) within group (order by sleep_onset_latency_s) as sleep_onset_latency_s_p10,
    percentile_cont(0.25) within group (order by sleep_onset_latency_s) as sleep_onset_latency_s_p25,
    percentile_cont(0.50) within group (order by sleep_onset_latency_s) as sleep_onset_latency_s_p50,
    percentile_cont(0.75) within group (order by sleep_onset_latency_s) as sleep_onset_latency_s_p75,
    percentile_cont(0.90) within group (order by sleep_onset_latency_s) as sleep_onset_latency_s_p90,
    percentile_cont(0.10) within group (order by wake_after_sleep_onset_s) as wake_after_sleep_onset_s_p10,
    percentile_cont(0.25) within group (order by wake_after_sleep_onset_s) as wake_after_sleep_onset_s_p25,
    percentile_cont(0.50) within group (order by wake_after_sleep_onset_s) as wake_after_sleep_onset_s_p50,
    percentile_cont(0.75) within group (order by wake_after_sleep_onset_s) as wake_after_sleep_onset_s_p75,
    percentile_cont(0.90) within group (order by wake_after_sleep_onset_s) as wake_after_sleep_onset_s_p90,
    percentile_cont(0.10) within group (order by mid_sleep_after_noon_s) as mid_sleep_after_noon_s_p10,
    percentile_cont(0.25) within group (order by mid_sleep_after_noon_s) as mid_sleep_after_noon_s_p25,
    percentile_cont(0.50) within group (order by mid_sleep_after_noon_s) as mid_sleep_after_noon_s_p50,
    percentile_cont(0.75) within group (order by mid_sleep_after_noon_s) as mid_sleep_after_noon_s_p75,
    percentile_cont(0.90) within group (order by mid_sleep_after_noon_s) as mid_sleep_after_noon_s_p90
from expected
group by org_id, night_of
