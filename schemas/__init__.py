"""Every shape on the way: vendor payloads, tables, FHIR, code tables. Pure; nothing here reads, writes or asks a clock.

Importing it decides for the whole process which rules the time zones have: those of the installed tzdata, which is
pinned, not those of the machine, which may be years older. Otherwise a document could have two nights on two machines.
"""

from zoneinfo import ZoneInfo, reset_tzpath

reset_tzpath(to=())
ZoneInfo.clear_cache()
