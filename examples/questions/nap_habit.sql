-- Who naps, and is the night after a nap shorter?
-- One row is one user who naps: days (noon to noon) with any sleep, the share of them with a nap in percent, the mean
-- length of the naps' recordings in minutes, and the mean hours asleep in the nights after a nap and in the others.
with
days as (
    select
        user_id,
        naps,
        nap_tracked_s,
        case when in_means then total_sleep_time_s / 3600.0 end as hours_asleep
    from nights
    where main_session_id is not null or naps > 0
)
select
    user_id,
    count(*) as days,
    round(cast(100 * avg(case when naps > 0 then 1 else 0 end) as decimal(18, 6)), 1) as nap_days_pct,
    round(cast(sum(nap_tracked_s) / sum(naps) / 60 as decimal(18, 6)), 1) as nap_min,
    round(cast(avg(case when naps > 0 then hours_asleep end) as decimal(18, 6)), 2) as hours_after_nap,
    round(cast(avg(case when naps = 0 then hours_asleep end) as decimal(18, 6)), 2) as hours_without_nap
from days
group by user_id
having sum(naps) > 0
order by nap_days_pct desc, user_id
