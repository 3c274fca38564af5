-- Do people sleep worse in their first recorded night (the first-night effect)?
-- One row is one organisation: its users with a first night and at least 3 of the 6 recorded nights after it, and by
-- how much the first night differs from the mean of those, on average over the users.
-- Positive minutes: it took longer to fall asleep; negative points: less of the time in bed was slept.
-- The effect is that of Agnew, Webb and Williams, Psychophysiology 2 (1966), 263-266.
with
numbered as (
    select
        org_id,
        user_id,
        sleep_onset_latency_s / 60.0 as latency_min,
        100 * sleep_efficiency as efficiency_pct,
        row_number() over (partition by user_id order by night_of) as night
    from nights
    where in_means and sleep_onset_latency_s is not null and sleep_efficiency is not null
),
users_of as (
    select
        org_id,
        user_id,
        avg(case when night = 1 then latency_min end) - avg(case when night > 1 then latency_min end) as latency_min,
        avg(case when night = 1 then efficiency_pct end) - avg(case when night > 1 then efficiency_pct end)
            as efficiency_points
    from numbered
    where night <= 7
    group by org_id, user_id
    having count(*) >= 4
)
select
    org_id,
    count(*) as users,
    round(cast(avg(latency_min) as decimal(18, 6)), 2) as longer_to_fall_asleep_min,
    round(cast(avg(efficiency_points) as decimal(18, 6)), 2) as efficiency_points
from users_of
group by org_id
order by org_id
