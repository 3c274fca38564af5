-- Who sleeps at regular hours?
-- One row is one user with 7 nights or more: the standard deviation of mid-sleep (local clock) in minutes, the most
-- regular first. Under half an hour is regular; shift workers have hours.
-- The deviation per week and month, circular for people who sleep around the clock, is mid_sleep_sd_s of user_weeks
-- and user_months.
select
    user_id,
    count(mid_sleep_after_noon_s) as nights,
    round(cast(stddev_samp(mid_sleep_after_noon_s) / 60 as decimal(18, 6)), 1) as mid_sleep_sd_min
from nights
where in_means
group by user_id
having count(mid_sleep_after_noon_s) >= 7
order by mid_sleep_sd_min, user_id
