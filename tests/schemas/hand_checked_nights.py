"""Sessions over changes of the clock that were worked out on paper, each with its reason.

Times are written as the vendor writes them, with the offset of the clock they were read from.
"""

# zone, start, end, night it belongs to, date on which it ended, seconds it really lasted
HAND_CHECKED = [
    # 02:00 became 03:00: eight hours on the clock, one of which never was
    ("America/New_York", "2024-03-09T23:00-05:00", "2024-03-10T07:00-04:00", "2024-03-09", "2024-03-10", 25_200),
    # 02:00 became 01:00: eight hours on the clock, one of them twice
    ("America/New_York", "2024-11-02T23:30-04:00", "2024-11-03T07:30-05:00", "2024-11-02", "2024-11-03", 32_400),
    # from the first 01:30 to the second: no time on the clock, an hour in truth
    ("America/New_York", "2024-11-03T01:30-04:00", "2024-11-03T01:30-05:00", "2024-11-02", "2024-11-03", 3_600),
    # a nap in the morning after: 11:30 less 12 hours on the clock is 23:30, though 12 hours before it was 00:30
    ("America/New_York", "2024-11-03T11:30-05:00", "2024-11-03T12:30-05:00", "2024-11-02", "2024-11-03", 3_600),
    # and in spring: 12:15 less 12 hours on the clock is 00:15, though 12 hours before it was 23:15
    ("America/New_York", "2024-03-10T12:15-04:00", "2024-03-10T13:15-04:00", "2024-03-10", "2024-03-10", 3_600),
    # 02:00 became 01:00, and the offset was no whole hour before or after: 23:15 to 06:45 and one hour more
    ("America/St_Johns", "2024-11-02T23:15-02:30", "2024-11-03T06:45-03:30", "2024-11-02", "2024-11-03", 30_600),
    # the change was of half an hour, from 02:00 to 01:30
    ("Australia/Lord_Howe", "2024-04-06T22:00+11:00", "2024-04-07T06:00+10:30", "2024-04-06", "2024-04-07", 30_600),
    # 03:00 became 02:00 in the autumn of the south, in April
    ("Pacific/Auckland", "2024-04-06T21:00+13:00", "2024-04-07T06:00+12:00", "2024-04-06", "2024-04-07", 36_000),
    # 02:00 became 03:00 in its spring; in UTC it was still the afternoon before
    ("Pacific/Auckland", "2024-09-28T22:30+12:00", "2024-09-29T06:30+13:00", "2024-09-28", "2024-09-29", 25_200),
    # a clock that never changes, with an offset of quarters; half a minute before noon is still last night
    ("Asia/Kathmandu", "2024-06-15T11:59:30+05:45", "2024-06-15T19:59:30+05:45", "2024-06-14", "2024-06-15", 28_800),
    # the year ends here first: at 07:50 on 1 January it is 31 December in UTC, from start to end
    ("Pacific/Kiritimati", "2024-12-31T23:50+14:00", "2025-01-01T07:50+14:00", "2024-12-31", "2025-01-01", 28_800),
    # and here last: 23:50 on 31 December is 10:50 on 1 January in UTC
    ("Pacific/Pago_Pago", "2024-12-31T23:50-11:00", "2025-01-01T07:50-11:00", "2024-12-31", "2025-01-01", 28_800),
    # Samoa's last end of summer time, 04:00 became 03:00
    ("Pacific/Apia", "2021-04-03T22:00+14:00", "2021-04-04T06:00+13:00", "2021-04-03", "2021-04-04", 32_400),
    # on the last Sunday of September 03:00 would have become 04:00, had Samoa not given up summer time that month
    ("Pacific/Apia", "2021-09-25T22:00+13:00", "2021-09-26T06:00+13:00", "2021-09-25", "2021-09-26", 28_800),
    # Morocco leaves UTC+1 for Ramadan: 03:00 became 02:00 in March
    ("Africa/Casablanca", "2024-03-09T23:00+01:00", "2024-03-10T06:00+00:00", "2024-03-09", "2024-03-10", 28_800),
    # and comes back after it: 02:00 became 03:00 in April
    ("Africa/Casablanca", "2024-04-13T23:00+00:00", "2024-04-14T07:00+01:00", "2024-04-13", "2024-04-14", 25_200),
    # 00:00 became 01:00 on the last Friday of April: no midnight, and one minute from 23:59:30 to 01:00:30
    ("Africa/Cairo", "2024-04-25T23:59:30+02:00", "2024-04-26T01:00:30+03:00", "2024-04-25", "2024-04-26", 60),
    # 24:00 of the last Thursday of October became 23:00: from the first 23:30 to the second 23:45, the date stayed
    ("Africa/Cairo", "2024-10-31T23:30+03:00", "2024-10-31T23:45+02:00", "2024-10-31", "2024-10-31", 4_500),
    # 00:00 became 01:00: a night of 23 to 07 lasted seven hours
    ("America/Santiago", "2024-09-07T23:00-04:00", "2024-09-08T07:00-03:00", "2024-09-07", "2024-09-08", 25_200),
    # the first moment of that day was 01:00; it belongs to the evening before
    ("America/Santiago", "2024-09-08T01:00-03:00", "2024-09-08T09:00-03:00", "2024-09-07", "2024-09-08", 28_800),
    # 24:00 became 23:00: one second before midnight, and two seconds later it was 23:00:01 of the same evening
    ("America/Santiago", "2024-04-06T23:59:59-03:00", "2024-04-06T23:00:01-04:00", "2024-04-06", "2024-04-06", 2),
    # 00:00 became 01:00, for the last time: Paraguay has kept summer time since
    ("America/Asuncion", "2024-10-05T22:30-04:00", "2024-10-06T06:30-03:00", "2024-10-05", "2024-10-06", 25_200),
    # 01:00 became 00:00: asleep at 00:30, awake 45 minutes later at 00:15, on the date that began twice
    ("America/Havana", "2024-11-03T00:30-04:00", "2024-11-03T00:15-05:00", "2024-11-02", "2024-11-03", 2_700),
    # 00:00 became 01:00 here
    ("America/Havana", "2024-03-09T23:59-05:00", "2024-03-10T08:59-04:00", "2024-03-09", "2024-03-10", 28_800),
    # two hours at once: 01:00 became 03:00
    ("Antarctica/Troll", "2024-03-30T23:00+00:00", "2024-03-31T07:00+02:00", "2024-03-30", "2024-03-31", 21_600),
    # by law winter is the time that is changed to, one hour less: 02:00 became 01:00 all the same
    ("Europe/Dublin", "2024-10-26T22:00+01:00", "2024-10-27T06:00+00:00", "2024-10-26", "2024-10-27", 32_400),
    # 00:00 became 01:00, as everywhere in the Union at 01:00 UTC: one second and seven hours
    ("Atlantic/Azores", "2024-03-30T23:59:59-01:00", "2024-03-31T08:00+00:00", "2024-03-30", "2024-03-31", 25_201),
    # Iran's last change, 24:00 became 23:00: from the first 23:30 to 06:30 are eight hours
    ("Asia/Tehran", "2022-09-21T23:30+04:30", "2022-09-22T06:30+03:30", "2022-09-21", "2022-09-22", 28_800),
    # no change half a year later, when there had always been one
    ("Asia/Tehran", "2023-03-21T23:00+03:30", "2023-03-22T07:00+03:30", "2023-03-21", "2023-03-22", 28_800),
    # the region went back to Moscow's time, 02:00 became 01:00 between Christmas and New Year
    ("Europe/Volgograd", "2020-12-26T23:00+04:00", "2020-12-27T06:00+03:00", "2020-12-26", "2020-12-27", 28_800),
    # Yukon stayed on its summer time when its neighbours turned the clock back
    ("America/Whitehorse", "2020-10-31T23:00-07:00", "2020-11-01T07:00-07:00", "2020-10-31", "2020-11-01", 28_800),
    # South Sudan changed zone: 24:00 of 31 January became 23:00
    ("Africa/Juba", "2021-01-31T23:30+03:00", "2021-02-01T06:30+02:00", "2021-01-31", "2021-02-01", 28_800),
    # Jordan began summer time in February, 00:00 became 01:00 ...
    ("Asia/Amman", "2022-02-24T22:00+02:00", "2022-02-25T07:00+03:00", "2022-02-24", "2022-02-25", 28_800),
    # ... and never ended it: the last Friday of October 2022 was a day like others, in Syria too
    ("Asia/Amman", "2022-10-27T23:00+03:00", "2022-10-28T07:00+03:00", "2022-10-27", "2022-10-28", 28_800),
    ("Asia/Damascus", "2022-10-27T23:30+03:00", "2022-10-28T06:30+03:00", "2022-10-27", "2022-10-28", 25_200),
]
