-- Who slept less than 6 hours in 3 or more of the last 14 nights?
-- One row is one such user: the nights of these 14 that have a main sleep, how many of them were short, and the
-- shortest. The 14 nights end with the user's newest night that is over; naps do not make up for a night.
with
newest as (
    select user_id, max(night_of) as night_of from nights where verdict is not null group by user_id
),
recent as (
    select n.user_id, n.total_sleep_time_s / 3600.0 as hours_asleep
    from nights as n
    join newest as l on l.user_id = n.user_id
    where n.in_means and n.total_sleep_time_s is not null and n.night_of > l.night_of - 14 and n.night_of <= l.night_of
)
select
    user_id,
    count(*) as nights,
    count(*) filter (where hours_asleep < 6) as short_nights,
    round(cast(min(hours_asleep) as decimal(18, 6)), 2) as shortest_hours
from recent
group by user_id
having count(*) filter (where hours_asleep < 6) >= 3
order by short_nights desc, user_id
