-- Which nights did the vendor change after the fact, and by how much?
-- One row is one session with more than one version: minutes asleep as first seen and as they count now, and why the
-- newest version came (re_analysed, webhook, ...). A deleted session has no minutes now.
with
versions as (
    select source, user_id, session_id, count(*) as versions, min(revision) as first_revision, max(revision) as newest
    from session_history
    group by source, user_id, session_id
    having count(*) > 1
)
select
    v.user_id,
    f.night_of,
    v.session_id,
    v.versions,
    n.reason,
    round(cast(f.total_sleep_time_s / 60.0 as decimal(18, 6)), 1) as first_min_asleep,
    round(cast(n.total_sleep_time_s / 60.0 as decimal(18, 6)), 1) as now_min_asleep
from versions as v
join session_history as f
    on f.source = v.source and f.user_id = v.user_id and f.session_id = v.session_id and f.revision = v.first_revision
join session_history as n
    on n.source = v.source and n.user_id = v.user_id and n.session_id = v.session_id and n.revision = v.newest
order by v.user_id, f.night_of, v.session_id
