-- user_weeks: one row is one user and ISO week, Monday to Sunday by night_of, that has a row in nights.
--
-- Its figures are those of user_periods, whose file says what they are.
--
-- Reads user_periods.
select
    p.*,
    p.period_start as week_start,
    cast(extract(year from p.period_start + 3) as bigint) as iso_year,
    cast(extract(week from p.period_start) as bigint) as iso_week
from user_periods as p
where p.period = 'week'
