-- user_months: one row is one user and calendar month, by night_of, that has a row in nights.
--
-- Its figures are those of user_periods, whose file says what they are.
--
-- Reads user_periods.
select p.*, p.period_start as month_start
from user_periods as p
where p.period = 'month'
