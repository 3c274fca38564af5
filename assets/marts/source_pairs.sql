-- source_pairs: one row is one person and night that phone and bed both recorded: the two sessions that are compared.
-- It is no mart; source_agreement_nights.sql says the rules.
--
-- Reads judged_sessions.
with
mains as (
    select * from judged_sessions where is_main_of_source and not is_forgotten
),
candidates as (
    select
        phone.org_id,
        phone.user_id,
        phone.night_of,
        phone.session_id as phone_session_id,
        bed.session_id as bed_session_id,
        phone.session_number as phone_number,
        bed.session_number as bed_number,
        least(phone.end_us, bed.end_us) - greatest(phone.start_us, bed.start_us) as common_us,
        least(phone.tracked_us, bed.tracked_us) as shorter_us
    from mains as phone
    join mains as bed on bed.user_id = phone.user_id and bed.night_of between phone.night_of - 2 and phone.night_of + 2
    where phone.source = 'asleep' and bed.source = 'eight_sleep'
),
ranked as (
    -- Zones that differ can give one recording two partners; each is compared with the one it shares most with.
    select
        o.*,
        row_number() over (partition by phone_number order by common_us desc, bed_number) as of_phone,
        row_number() over (partition by bed_number order by common_us desc, phone_number) as of_bed
    from candidates as o
    where 2 * common_us > shorter_us
)
select
    org_id,
    user_id,
    night_of,
    phone_session_id,
    bed_session_id,
    common_us
from ranked
where of_phone = 1 and of_bed = 1
