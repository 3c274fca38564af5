-- judged_sessions: one row is one complete session, with what the marts go by: whether it holds sleep, whether that is
-- a night's, and whether it is its own source's main sleep of the night. It is no mart; nights.sql says the rules.
--
-- Reads sleep_sessions, night_ledger; and, made from the tz database, night_clocks (21:00 and 09:00 of a zone's night
-- as instants); and source_precedence. Instants are microseconds since 1970 here, so that sums are exact.
with
instants as (
    select
        s.source,
        s.user_id,
        s.session_id,
        s.org_id,
        s.timezone,
        s.night_of,
        s.total_sleep_time_s,
        cast(extract(epoch from s.start_time) * 1000000 as bigint) as start_us,
        cast(extract(epoch from s.end_time) * 1000000 as bigint) as end_us,
        cast(extract(epoch from s.sleep_onset) * 1000000 as bigint) as onset_us,
        cast(extract(epoch from s.final_wake) * 1000000 as bigint) as wake_us,
        cast(extract(epoch from c.evening_at) * 1000000 as bigint) as evening_us,
        cast(extract(epoch from c.morning_at) * 1000000 as bigint) as morning_us,
        case
            when s.total_sleep_time_s is not null then s.total_sleep_time_s > 0
            when 'NEVER_SLEPT' = any(s.peculiarities) then false
        end as slept,
        'TOO_SHORT_FOR_ANALYSIS' = any(s.peculiarities) as called_short
    from sleep_sessions as s
    left join night_clocks as c on c.timezone = s.timezone and c.night_of = s.night_of
),
judged as (
    select
        source,
        user_id,
        session_id,
        org_id,
        timezone,
        night_of,
        total_sleep_time_s,
        start_us,
        end_us,
        onset_us,
        wake_us,
        end_us - start_us as tracked_us,
        end_us - start_us > 86400000000 as is_forgotten,
        coalesce(slept, not called_short) as has_sleep,
        end_us - start_us >= 10800000000
        or 2 * (least(end_us, morning_us) - greatest(start_us, evening_us)) > end_us - start_us as at_night
    from instants
)
select
    j.*,
    -- A source that is not in the list comes after those that are.
    coalesce(p.place, 1000) as source_place,
    row_number() over (order by j.user_id, j.source, j.session_id) as session_number,
    case
        when j.total_sleep_time_s is null or j.is_forgotten then 3
        when j.tracked_us < 10800000000 then 2
        else 1
    end as standing,
    has_sleep and at_night and row_number() over (
        partition by j.source, j.user_id, j.night_of
        order by
            case when has_sleep and at_night then 0 else 1 end,
            tracked_us desc,
            case when j.session_id = l.main_session_id then 0 else 1 end,
            j.session_id desc
    ) = 1 as is_main_of_source
from judged as j
left join night_ledger as l on l.source = j.source and l.user_id = j.user_id and l.night_of = j.night_of
left join source_precedence as p on p.source = j.source
