-- How is sleep divided between light, deep and REM?
-- One row is one user: the nights with stages, and the shares in percent of all the sleep in them; they add up to 100.
-- Long nights weigh more than short ones. Nights whose stages were not told apart (has_stages) are left out.
select
    user_id,
    count(*) as nights,
    round(cast(100.0 * sum(light_sleep_s) / sum(total_sleep_time_s) as decimal(18, 6)), 1) as light_pct,
    round(cast(100.0 * sum(deep_sleep_s) / sum(total_sleep_time_s) as decimal(18, 6)), 1) as deep_pct,
    round(cast(100.0 * sum(rem_sleep_s) / sum(total_sleep_time_s) as decimal(18, 6)), 1) as rem_pct
from nights
where in_means and has_stages = '4-stage' and total_sleep_time_s > 0
group by user_id
order by user_id
