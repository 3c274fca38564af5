-- How long does everybody sleep, week by week?
-- One row is one user and ISO week: the nights whose main sleep counts, and their mean hours asleep.
select
    user_id,
    iso_year,
    iso_week,
    nights_in_means as nights,
    round(cast(total_sleep_time_s_mean / 3600 as decimal(18, 6)), 2) as hours_asleep
from user_weeks
where total_sleep_time_s_mean is not null
order by user_id, iso_year, iso_week
