-- How much later is sleep on weekends than in the week (social jetlag)?
-- One row is one user: mid-sleep in hours after midnight by the local clock, and the difference in hours, which is
-- positive where weekends are later. Weekend nights begin on Friday and Saturday evening; users need 2 nights of each.
-- The measure is that of Wittmann and others, Chronobiology International 23 (2006), 497-509, with its sign kept.
with
kinds as (
    select
        user_id,
        (mid_sleep_after_noon_s - 43200) / 3600 as mid_sleep,
        extract(isodow from night_of) in (5, 6) as is_weekend
    from nights
    where in_means and mid_sleep_after_noon_s is not null
),
means as (
    select
        user_id,
        count(*) filter (where not is_weekend) as week_nights,
        count(*) filter (where is_weekend) as weekend_nights,
        avg(case when not is_weekend then mid_sleep end) as week_mid_sleep,
        avg(case when is_weekend then mid_sleep end) as weekend_mid_sleep
    from kinds
    group by user_id
)
select
    user_id,
    week_nights,
    weekend_nights,
    round(cast(week_mid_sleep as decimal(18, 6)), 2) as week_mid_sleep_h,
    round(cast(weekend_mid_sleep as decimal(18, 6)), 2) as weekend_mid_sleep_h,
    round(cast(weekend_mid_sleep - week_mid_sleep as decimal(18, 6)), 2) as social_jetlag_h
from means
where week_nights >= 2 and weekend_nights >= 2
order by social_jetlag_h desc, user_id
