-- source_agreement_nights: one row is one person and night that phone (asleep) and bed (eight_sleep) both recorded.
--
-- Compared are each source's own main sleep of a night (nights.sql says which that is), whichever of them nights has
-- chosen, if they share more than half of the shorter and neither is longer than 24 hours. night_of is the phone's; the
-- bed's may be named otherwise if it tells another zone. Nights in which one of them found no sleep are not in it.
--
-- Epoch by epoch: the phone's epochs of 30 s that the bed recorded too, each with the bed's stage at its middle instant.
-- Nothing is shifted: clocks that are apart lower the agreement. Out of bed counts as wake. An epoch that one of them
-- does not know is left out and counted as unknown; for stages so is sleep whose stage is not told apart, and a night is
-- compared by stages only where both sessions have four.
--   * agreement: the share of the epochs on which both say the same,
--   * Cohen's kappa (Educational and Psychological Measurement 20 (1960), 37-46): (agreement - by chance) / (1 - by
--     chance), where by chance is the agreement of two that name each stage as often as these did, without looking.
--     1 is the same, 0 what chance gives, below 0 less; null where both only ever name one and the same stage.
-- Figures are each source's own of its whole recording, and differences bed minus phone.
--
-- Neither is a reference: this is agreement of two consumer devices, not accuracy, and tells nobody's health. Kappa falls
-- when one stage fills the night, however many epochs agree.
--
-- Reads sleep_sessions; and source_pairs and source_kappas, made from the lake by the files of these names.
select
    p.org_id,
    p.user_id,
    p.night_of,
    p.phone_session_id,
    p.bed_session_id,
    cast(p.common_us as double precision) / 1000000 as common_s,
    coalesce(w.epochs, 0) as epochs,
    coalesce(w.unknown_epochs, 0) as unknown_epochs,
    w.observed_agreement as sleep_wake_agreement,
    w.kappa as sleep_wake_kappa,
    coalesce(s.epochs, 0) as stage_epochs,
    s.observed_agreement as stage_agreement,
    s.kappa as stage_kappa,
    phone.total_sleep_time_s as total_sleep_time_s_phone,
    bed.total_sleep_time_s as total_sleep_time_s_bed,
    bed.total_sleep_time_s - phone.total_sleep_time_s as total_sleep_time_s_difference,
    phone.sleep_onset_latency_s as sleep_onset_latency_s_phone,
    bed.sleep_onset_latency_s as sleep_onset_latency_s_bed,
    bed.sleep_onset_latency_s - phone.sleep_onset_latency_s as sleep_onset_latency_s_difference,
    phone.wake_after_sleep_onset_s as wake_after_sleep_onset_s_phone,
    bed.wake_after_sleep_onset_s as wake_after_sleep_onset_s_bed,
    bed.wake_after_sleep_onset_s - phone.wake_after_sleep_onset_s as wake_after_sleep_onset_s_difference
from source_pairs as p
join sleep_sessions as phone
    on phone.source = 'asleep' and phone.user_id = p.user_id and phone.session_id = p.phone_session_id
join sleep_sessions as bed
    on bed.source = 'eight_sleep' and bed.user_id = p.user_id and bed.session_id = p.bed_session_id
left join source_kappas as w
    on w.scope = 'night' and w.comparison = 'sleep_wake' and w.user_id = p.user_id and w.night_of = p.night_of
left join source_kappas as s
    on s.scope = 'night' and s.comparison = 'stages' and s.user_id = p.user_id and s.night_of = p.night_of
