-- Who falls asleep faster or slower as time goes on?
-- One row is one user with 14 nights or more: the mean sleep onset latency in minutes, and the slope of the straight
-- line through all nights (least squares) in minutes per week; negative is faster. The steepest rise comes first.
with
latencies as (
    select
        user_id,
        sleep_onset_latency_s / 60.0 as latency_min,
        (night_of - date '2020-01-01') / 7.0 as week
    from nights
    where in_means and sleep_onset_latency_s is not null
)
select
    user_id,
    count(*) as nights,
    round(cast(avg(latency_min) as decimal(18, 6)), 1) as latency_min,
    round(cast(regr_slope(latency_min, week) as decimal(18, 6)), 2) as min_per_week
from latencies
group by user_id
having count(*) >= 14
order by min_per_week desc, user_id
