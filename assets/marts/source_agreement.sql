-- source_agreement: one row is one metric of one person, over all nights that phone and bed both recorded; the row with
-- an empty user_id is that of everybody of an organisation.
--
-- Of total sleep time, sleep onset latency and wake after sleep onset it has Bland and Altman's figures (Lancet 327
-- (1986), 307-310) of the differences bed minus phone: their mean (bias), their sample standard deviation (divided by
-- n - 1) and the limits bias - 1.96 and + 1.96 deviations, between which 95 % of differences lie if they are normal.
-- Null under two nights. Of stages and sleep_wake it has Cohen's kappa over the epochs of all nights together, so that
-- long nights weigh more than short ones.
--
-- There are no confidence intervals: nights of one person are not independent. Limits from under 20 nights, and those of
-- everybody from under 10 persons, are hardly more than a list of differences; a bias that grows with the figure is not
-- looked for, the plot in examples/charts.py shows it. Neither device is a reference.
--
-- Reads source_agreement_nights; and source_kappas, made from the lake by the file of this name.
with
differences as (
    select org_id, user_id, night_of, 'total_sleep_time_s' as metric, total_sleep_time_s_difference as difference_s
    from source_agreement_nights
    union all
    select org_id, user_id, night_of, 'sleep_onset_latency_s', sleep_onset_latency_s_difference
    from source_agreement_nights
    union all
    select org_id, user_id, night_of, 'wake_after_sleep_onset_s', wake_after_sleep_onset_s_difference
    from source_agreement_nights
    union all
    select org_id, user_id, night_of, 'sleep_wake', case when epochs > 0 then 0 end from source_agreement_nights
    union all
    select org_id, user_id, night_of, 'stages', case when stage_epochs > 0 then 0 end from source_agreement_nights
),
scoped as (
    select 'user' as scope, org_id, user_id as named, user_id, night_of, metric, difference_s from differences
    union all
    select 'everybody', org_id, '', user_id, night_of, metric, difference_s from differences
),
sums as (
    select
        scope,
        org_id,
        named as user_id,
        metric,
        metric in ('sleep_wake', 'stages') as is_of_epochs,
        min(night_of) as first_night,
        max(night_of) as last_night,
        count(distinct case when difference_s is not null then user_id end) as users,
        count(difference_s) as nights,
        cast(sum(difference_s) as double precision) as difference_sum,
        sum(cast(difference_s as double precision) * difference_s) as squares
    from scoped
    group by scope, org_id, named, metric
),
spread as (
    select
        s.*,
        case when not is_of_epochs then difference_sum / nullif(nights, 0) end as bias_s,
        case
            when nights > 1 and not is_of_epochs
                then sqrt(greatest(0, squares - difference_sum * difference_sum / nights) / (nights - 1))
        end as difference_sd_s
    from sums as s
)
select
    s.org_id,
    s.user_id,
    s.metric,
    s.first_night,
    s.last_night,
    s.users,
    s.nights,
    s.bias_s,
    s.difference_sd_s,
    s.bias_s - 1.96 * s.difference_sd_s as lower_limit_s,
    s.bias_s + 1.96 * s.difference_sd_s as upper_limit_s,
    k.epochs,
    k.observed_agreement,
    k.kappa
from spread as s
left join source_kappas as k
    on k.scope = s.scope and k.org_id = s.org_id and k.user_id = s.user_id and k.comparison = s.metric
