-- Do phone and bed agree?
-- One row is one person who slept with both, or everybody of an organisation (an empty user_id): the nights that both
-- recorded, by how many minutes the bed's total sleep time is longer on average (bias), between which minutes 95 % of
-- such differences lie if they are normal (null under two nights), and Cohen's kappa of sleep and wake and of the four
-- stages over all epochs of 30 s: 1 is the same, 0 what chance gives. Neither device is a reference.
select
    s.org_id,
    s.user_id,
    s.nights,
    round(cast(s.bias_s / 60 as decimal(18, 6)), 1) as bias_min,
    round(cast(s.lower_limit_s / 60 as decimal(18, 6)), 1) as lower_limit_min,
    round(cast(s.upper_limit_s / 60 as decimal(18, 6)), 1) as upper_limit_min,
    round(cast(w.kappa as decimal(18, 6)), 2) as sleep_wake_kappa,
    round(cast(g.kappa as decimal(18, 6)), 2) as stage_kappa
from source_agreement as s
join source_agreement as w on w.org_id = s.org_id and w.user_id = s.user_id and w.metric = 'sleep_wake'
join source_agreement as g on g.org_id = s.org_id and g.user_id = s.user_id and g.metric = 'stages'
where s.metric = 'total_sleep_time_s'
order by s.org_id, s.user_id
