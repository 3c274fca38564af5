-- nights: one row is one person and night: every night that is expected (in night_ledger) or has a complete session,
-- whichever sources tell of it. A person is a user_id: who sleeps with phone and bed has the same one at both.
-- A night is named after the local date of its evening, night_of, and goes from noon to noon on the local clocks: each
-- session's in its own zone.
--
-- The main sleep is the longest recording, from start to end of tracking, that is a night's sleep:
--   * the vendor analysed it and did not find that nobody slept (a session without figures may be one, too),
--   * it lasts 3 hours or more at whatever hour, or more than half of it lies between 21:00 and 09:00 local time.
-- Of two of exactly one length it is the one the ledger names, else the one whose id sorts last. So it is the ledger's
-- main sleep wherever the ledger is up to date. What is longer than 24 hours may be the main sleep, but is not in_means
-- and repeats no other night: nobody slept so long, the recording was forgotten.
--
-- Where two sources have a main sleep by this rule, the night's is one of theirs, and all figures of the row are that
-- one's. It is the first by:
--   1. what was recorded: 3 to 24 hours with figures, then under 3 hours with figures, then without figures or
--      forgotten; so that a fragment, or a recording that tells nothing, does not stand for a night that is known,
--   2. the source, in the order of source_precedence: the phone (asleep), then the bed (eight_sleep).
--
-- Nothing counts twice. Sessions of one person overlap if they share time, whatever recorded them; ends that touch do
-- not. Counted are
--   1. the main sleep of every night,
--   2. of the others, those that overlap no main sleep (of any night); where two of these overlap, only the first by:
--      with sleep before without, longer before shorter, the phone before the bed, the id that sorts last before the
--      other.
-- Counted sessions that are not the main sleep are further sleeps (a night's sleep by the rule above: the parts of a
-- split night), naps (sleep, but not a night's) or without sleep (never slept, or too short to analyse). The rest is
-- overlapped: named and counted as such, its figures in no other column; overlapped_only_s is the night's time that it
-- alone covers. So every complete session is in exactly one night under exactly one of these five kinds. Of the main
-- sleeps of two nights that share more than half of the shorter (a recording on two devices that tell different zones),
-- only one is in_means: that of the first source as above, of one source the longer.
--
-- The verdict, with its reason and late_days, is that of the ledger's row of the main sleep's source. Without a main
-- sleep, or without such a row, it is the first of the ledger's rows by verdict_precedence: what is complete or may
-- still come, what is not known, what was found of lesser worth, that nothing was found, and last that a source does
-- not follow the person any more; of two with one verdict, the phone's.
-- source is that of the main sleep, else of that row, else of the first session's.
--
-- Reads judged_sessions, sleep_sessions, night_ledger, users; and zone_offsets (a zone's offset from UTC, from when
-- until when), source_precedence and verdict_precedence. Instants are microseconds since 1970 here, so that sums are
-- exact.
with
ranked as (
    select
        j.*,
        is_main_of_source and row_number() over (
            partition by user_id, night_of
            order by case when is_main_of_source then 0 else 1 end, standing, source_place, source
        ) = 1 as is_main,
        row_number() over (partition by user_id, night_of order by source_place, source, session_number)
            as place_in_night,
        max(end_us) over (
            partition by user_id order by start_us, end_us, session_number
            rows between unbounded preceding and 1 preceding
        ) as reached_us,
        max(end_us) over (
            partition by user_id, night_of order by start_us, end_us, session_number
            rows between unbounded preceding and 1 preceding
        ) as reached_in_night_us
    from judged_sessions as j
),
stretched as (
    -- Sessions of one stretch are linked by overlaps; only they need to be compared with each other.
    select
        r.*,
        sum(case when start_us < reached_us then 0 else 1 end) over (
            partition by user_id order by start_us, end_us, session_number
            rows between unbounded preceding and current row
        ) as stretch
    from ranked as r
),
crowded as (
    select user_id, stretch from stretched group by user_id, stretch having count(*) > 1
),
pairs as (
    select
        a.session_number,
        a.is_main,
        b.session_number as other_number,
        b.is_main as other_is_main,
        b.is_forgotten as other_is_forgotten,
        case
            when a.has_sleep <> b.has_sleep then b.has_sleep
            when a.tracked_us <> b.tracked_us then b.tracked_us > a.tracked_us
            when a.source <> b.source then (b.source_place, b.source) < (a.source_place, a.source)
            else b.session_id > a.session_id
        end as other_is_first,
        case
            when a.source = b.source and a.tracked_us <> b.tracked_us then b.tracked_us > a.tracked_us
            when a.source = b.source then b.session_id > a.session_id
            else (b.standing, b.source_place, b.source) < (a.standing, a.source_place, a.source)
        end as other_main_is_first,
        2 * (least(a.end_us, b.end_us) - greatest(a.start_us, b.start_us)) > least(a.tracked_us, b.tracked_us)
            as mostly_shared
    from crowded as c
    join stretched as a on a.user_id = c.user_id and a.stretch = c.stretch
    join stretched as b
        on b.user_id = a.user_id and b.stretch = a.stretch
        and b.session_number <> a.session_number
        and least(a.end_us, b.end_us) > greatest(a.start_us, b.start_us)
),
under_main as (
    select distinct session_number from pairs where not is_main and other_is_main
),
under_other as (
    select distinct p.session_number
    from pairs as p
    left join under_main as u on u.session_number = p.other_number
    where not p.is_main and not p.other_is_main and p.other_is_first and u.session_number is null
),
repeated as (
    select distinct session_number
    from pairs where is_main and other_is_main and other_main_is_first and mostly_shared and not other_is_forgotten
),
kinds as (
    select
        s.*,
        r.session_number is not null as is_repeated,
        greatest(0, end_us - greatest(start_us, coalesce(reached_in_night_us, start_us))) as new_us,
        case
            when s.is_main then 'main'
            when m.session_number is not null or o.session_number is not null then 'overlapped'
            when not s.has_sleep then 'without_sleep'
            when s.at_night then 'further'
            else 'nap'
        end as kind
    from stretched as s
    left join under_main as m on m.session_number = s.session_number
    left join under_other as o on o.session_number = s.session_number
    left join repeated as r on r.session_number = s.session_number
),
sums as (
    select
        user_id,
        night_of,
        max(org_id) as org_id,
        max(case when place_in_night = 1 then source end) as first_source,
        array_agg(distinct source order by source) as sources,
        max(timezone) as timezone,
        count(*) as sessions,
        sum(new_us) as recorded_us,
        sum(case when kind <> 'overlapped' then tracked_us else 0 end) as counted_us,
        sum(case when kind = 'main' then tracked_us else 0 end) as main_us,
        sum(case when kind = 'further' then 1 else 0 end) as further_sleeps,
        sum(case when kind = 'further' then tracked_us else 0 end) as further_us,
        sum(case when kind = 'further' then total_sleep_time_s end) as further_sleep_s,
        sum(case when kind = 'further' and total_sleep_time_s is null then 1 else 0 end) as further_unknown,
        sum(case when kind = 'nap' then 1 else 0 end) as naps,
        sum(case when kind = 'nap' then tracked_us else 0 end) as nap_us,
        sum(case when kind = 'nap' then total_sleep_time_s end) as nap_sleep_s,
        sum(case when kind = 'nap' and total_sleep_time_s is null then 1 else 0 end) as nap_unknown,
        sum(case when kind in ('main', 'further', 'nap') then total_sleep_time_s end) as asleep_s,
        sum(case when kind in ('main', 'further', 'nap') and total_sleep_time_s is null then 1 else 0 end)
            as asleep_unknown,
        sum(case when kind = 'without_sleep' then 1 else 0 end) as without_sleep,
        sum(case when kind = 'without_sleep' then tracked_us else 0 end) as without_sleep_us,
        sum(case when kind = 'overlapped' then 1 else 0 end) as overlapped
    from kinds
    group by user_id, night_of
),
named as (
    select
        user_id,
        night_of,
        array_agg(session_id order by start_us, session_id, source) filter (where kind = 'further')
            as further_session_ids,
        array_agg(session_id order by start_us, session_id, source) filter (where kind = 'nap') as nap_session_ids,
        array_agg(session_id order by start_us, session_id, source) filter (where kind = 'without_sleep')
            as without_sleep_session_ids,
        array_agg(session_id order by start_us, session_id, source) filter (where kind = 'overlapped')
            as overlapped_session_ids
    from kinds
    where kind <> 'main'
    group by user_id, night_of
),
mains as (
    -- Milliseconds of the local wall clock since 1970.
    select
        k.source,
        k.user_id,
        k.night_of,
        k.session_id,
        k.tracked_us,
        k.is_repeated,
        cast(floor(k.start_us / 1000.0) as bigint) + bedtime.utc_offset_s * 1000 as bedtime_ms,
        cast(floor(k.onset_us / 1000.0) as bigint) + onset.utc_offset_s * 1000 as onset_ms,
        cast(floor((k.onset_us + k.wake_us) / 2000.0) as bigint) + middle.utc_offset_s * 1000 as middle_ms,
        cast(floor(k.wake_us / 1000.0) as bigint) + wake.utc_offset_s * 1000 as wake_ms,
        cast(floor(k.end_us / 1000.0) as bigint) + rising.utc_offset_s * 1000 as rising_ms
    from kinds as k
    left join zone_offsets as bedtime
        on bedtime.timezone = k.timezone and k.start_us >= bedtime.from_us and k.start_us < bedtime.until_us
    left join zone_offsets as onset
        on onset.timezone = k.timezone and k.onset_us >= onset.from_us and k.onset_us < onset.until_us
    left join zone_offsets as middle
        on middle.timezone = k.timezone
        and (k.onset_us + k.wake_us) / 2.0 >= middle.from_us and (k.onset_us + k.wake_us) / 2.0 < middle.until_us
    left join zone_offsets as wake
        on wake.timezone = k.timezone and k.wake_us >= wake.from_us and k.wake_us < wake.until_us
    left join zone_offsets as rising
        on rising.timezone = k.timezone and k.end_us >= rising.from_us and k.end_us < rising.until_us
    where k.is_main
),
told as (
    select
        l.*,
        max(case when l.revised then 1 else 0 end) over (partition by l.user_id, l.night_of) = 1 as any_revised,
        row_number() over (
            partition by l.user_id, l.night_of
            order by
                case when l.source = m.source then 0 else 1 end,
                v.place,
                coalesce(p.place, 1000),
                l.source
        ) as place
    from night_ledger as l
    left join mains as m on m.user_id = l.user_id and m.night_of = l.night_of
    left join verdict_precedence as v on v.verdict = l.verdict
    left join source_precedence as p on p.source = l.source
),
keys as (
    select user_id, night_of from night_ledger
    union
    select user_id, night_of from sums
)
select
    coalesce(l.org_id, t.org_id) as org_id,
    coalesce(m.source, l.source, t.first_source) as source,
    coalesce(t.sources, cast(array[] as varchar[])) as sources,
    k.user_id,
    k.night_of,
    s.wake_date,
    coalesce(s.timezone, t.timezone, u.timezone) as timezone,
    l.verdict,
    l.reason,
    l.late_days,
    l.any_revised as revised,
    coalesce(m.tracked_us <= 86400000000 and not m.is_repeated, false) as in_means,
    m.session_id as main_session_id,
    s.start_time,
    s.end_time,
    s.sleep_onset,
    s.final_wake,
    time '00:00:00' + mod(m.bedtime_ms, 86400000) * interval '1 millisecond' as bedtime_clock,
    time '00:00:00' + mod(m.onset_ms, 86400000) * interval '1 millisecond' as sleep_onset_clock,
    time '00:00:00' + mod(m.middle_ms, 86400000) * interval '1 millisecond' as mid_sleep_clock,
    time '00:00:00' + mod(m.wake_ms, 86400000) * interval '1 millisecond' as final_wake_clock,
    time '00:00:00' + mod(m.rising_ms, 86400000) * interval '1 millisecond' as out_of_bed_clock,
    m.middle_ms / 1000.0 - 86400 * (k.night_of - date '1970-01-01') - 43200 as mid_sleep_after_noon_s,
    s.has_stages,
    s.missing_data_ratio,
    s.time_in_bed_s,
    s.sleep_period_s,
    s.total_sleep_time_s,
    s.wake_after_sleep_onset_s,
    s.sleep_onset_latency_s,
    s.wakeup_latency_s,
    s.light_sleep_s,
    s.deep_sleep_s,
    s.rem_sleep_s,
    s.latency_to_light_s,
    s.latency_to_deep_s,
    s.latency_to_rem_s,
    s.snoring_s,
    s.sleep_efficiency,
    s.sleep_maintenance_efficiency,
    s.awakenings,
    s.longest_awakening_s,
    s.sleep_cycles,
    s.sleep_cycle_mean_s,
    s.snoring_episodes,
    s.stable_breath_s,
    s.unstable_breath_s,
    s.unstable_breath_episodes,
    s.breathing_index,
    s.breathing_pattern,
    s.sleep_index,
    coalesce(t.sessions, 0) as sessions,
    cast(coalesce(t.recorded_us, 0) as double precision) / 1000000 as recorded_s,
    cast(coalesce(t.main_us, 0) as double precision) / 1000000 as main_tracked_s,
    coalesce(t.further_sleeps, 0) as further_sleeps,
    cast(coalesce(t.further_us, 0) as double precision) / 1000000 as further_tracked_s,
    case when coalesce(t.further_unknown, 0) = 0 then coalesce(t.further_sleep_s, 0) end as further_sleep_s,
    coalesce(t.naps, 0) as naps,
    cast(coalesce(t.nap_us, 0) as double precision) / 1000000 as nap_tracked_s,
    case when coalesce(t.nap_unknown, 0) = 0 then coalesce(t.nap_sleep_s, 0) end as nap_sleep_s,
    coalesce(t.without_sleep, 0) as without_sleep,
    cast(coalesce(t.without_sleep_us, 0) as double precision) / 1000000 as without_sleep_tracked_s,
    coalesce(t.overlapped, 0) as overlapped,
    cast(coalesce(t.recorded_us - t.counted_us, 0) as double precision) / 1000000 as overlapped_only_s,
    case when t.asleep_unknown = 0 then t.asleep_s end as asleep_s,
    coalesce(i.further_session_ids, cast(array[] as varchar[])) as further_session_ids,
    coalesce(i.nap_session_ids, cast(array[] as varchar[])) as nap_session_ids,
    coalesce(i.without_sleep_session_ids, cast(array[] as varchar[])) as without_sleep_session_ids,
    coalesce(i.overlapped_session_ids, cast(array[] as varchar[])) as overlapped_session_ids
from keys as k
left join told as l on l.user_id = k.user_id and l.night_of = k.night_of and l.place = 1
left join sums as t on t.user_id = k.user_id and t.night_of = k.night_of
left join named as i on i.user_id = k.user_id and i.night_of = k.night_of
left join mains as m on m.user_id = k.user_id and m.night_of = k.night_of
left join sleep_sessions as s
    on s.source = m.source and s.user_id = m.user_id and s.session_id = m.session_id
left join users as u on u.source = coalesce(m.source, l.source, t.first_source) and u.user_id = k.user_id
