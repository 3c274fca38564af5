-- Which expected nights have no sleep, and why?
-- One row is one user's night that is over and has no main sleep: the verdict, and its reason in a sentence. What each
-- source said of it by itself is in night_ledger.
-- What the verdicts mean: nightshift nights, and night_ledger in docs/tables.md.
select user_id, night_of, verdict, reason
from nights
where verdict <> 'complete'
order by user_id, night_of
