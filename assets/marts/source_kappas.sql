-- source_kappas: one row is one comparison (stages or sleep_wake) of one scope: a night, all nights of a person, or all
-- nights of an organisation. It is no mart; source_agreement_nights.sql says the rules.
--
-- An epoch is the phone's, 30 s, and is compared with the bed's stage at its middle. Stretches of one stage are compared
-- with each other: of a stretch of the phone that begins at s, the middles of epochs lie at s + 15 s + 30 s * k, so that
-- ceil((t - s - 15 s) / 30 s) of them come before an instant t.
--
-- Reads source_pairs, sleep_sessions, sleep_stage_intervals.
with
stretches as (
    select
        source,
        user_id,
        session_id,
        case stage when 'out_of_bed' then 'wake' else stage end as stage,
        cast(extract(epoch from start_time) * 1000000 as bigint) as start_us,
        cast(extract(epoch from end_time) * 1000000 as bigint) as end_us
    from sleep_stage_intervals
),
common as (
    select
        p.org_id,
        p.user_id,
        p.night_of,
        a.stage as phone_stage,
        b.stage as bed_stage,
        a.start_us + 15000000 as first_us,
        greatest(a.start_us, b.start_us) as from_us,
        least(a.end_us, b.end_us) as until_us
    from source_pairs as p
    join stretches as a
        on a.source = 'asleep' and a.user_id = p.user_id and a.session_id = p.phone_session_id
    join stretches as b
        on b.source = 'eight_sleep' and b.user_id = p.user_id and b.session_id = p.bed_session_id
        and b.start_us < a.end_us and b.end_us > a.start_us
),
counted as (
    select
        org_id,
        user_id,
        night_of,
        phone_stage,
        bed_stage,
        cast(sum(
            ceil((until_us - first_us) / 30000000.0) - ceil((from_us - first_us) / 30000000.0)
        ) as bigint) as epochs
    from common
    group by org_id, user_id, night_of, phone_stage, bed_stage
),
staged as (
    select p.user_id, p.night_of
    from source_pairs as p
    join sleep_sessions as a
        on a.source = 'asleep' and a.user_id = p.user_id and a.session_id = p.phone_session_id
    join sleep_sessions as b
        on b.source = 'eight_sleep' and b.user_id = p.user_id and b.session_id = p.bed_session_id
    where a.has_stages = '4-stage' and b.has_stages = '4-stage'
),
compared as (
    select 'sleep_wake' as comparison, c.org_id, c.user_id, c.night_of, c.epochs,
        case phone_stage when 'unknown' then null when 'wake' then 'wake' else 'asleep' end as phone,
        case bed_stage when 'unknown' then null when 'wake' then 'wake' else 'asleep' end as bed
    from counted as c
    union all
    select 'stages', c.org_id, c.user_id, c.night_of, c.epochs,
        case when phone_stage not in ('unknown', 'asleep') then phone_stage end,
        case when bed_stage not in ('unknown', 'asleep') then bed_stage end
    from counted as c
    join staged as s on s.user_id = c.user_id and s.night_of = c.night_of
),
scoped as (
    select 'night' as scope, org_id, user_id, night_of, comparison, phone, bed, epochs from compared
    union all
    select 'user', org_id, user_id, cast(null as date), comparison, phone, bed, epochs from compared
    union all
    select 'everybody', org_id, '', cast(null as date), comparison, phone, bed, epochs from compared
),
sides as (
    select scope, org_id, user_id, night_of, comparison, phone as category,
        epochs as phone_epochs, 0 as bed_epochs, case when phone = bed then epochs else 0 end as same_epochs,
        0 as unknown_epochs
    from scoped
    where phone is not null and bed is not null
    union all
    select scope, org_id, user_id, night_of, comparison, bed, 0, epochs, 0, 0
    from scoped
    where phone is not null and bed is not null
    union all
    select scope, org_id, user_id, night_of, comparison, 'unknown', 0, 0, 0, epochs
    from scoped
    where phone is null or bed is null
),
categories as (
    -- How many epochs the phone says are of a category, how many the bed says, and of how many both do.
    select
        scope,
        org_id,
        user_id,
        night_of,
        comparison,
        category,
        cast(sum(phone_epochs) as bigint) as phone_epochs,
        cast(sum(bed_epochs) as bigint) as bed_epochs,
        cast(sum(same_epochs) as bigint) as same_epochs,
        cast(sum(unknown_epochs) as bigint) as unknown_epochs
    from sides
    group by scope, org_id, user_id, night_of, comparison, category
),
sums as (
    select
        scope,
        org_id,
        user_id,
        night_of,
        comparison,
        cast(sum(phone_epochs) as bigint) as epochs,
        cast(sum(unknown_epochs) as bigint) as unknown_epochs,
        cast(sum(same_epochs) as bigint) as same_epochs,
        cast(sum(phone_epochs * bed_epochs) as bigint) as by_chance
    from categories
    group by scope, org_id, user_id, night_of, comparison
)
select
    scope,
    org_id,
    user_id,
    night_of,
    comparison,
    epochs,
    unknown_epochs,
    cast(same_epochs as double precision) / nullif(epochs, 0) as observed_agreement,
    -- (observed - by chance) / (1 - by chance), both times the square of the epochs, so that these are whole numbers.
    cast(epochs * same_epochs - by_chance as double precision) / nullif(epochs * epochs - by_chance, 0) as kappa
from sums
