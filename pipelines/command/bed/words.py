"""How levels, durations and instants of beds are put into words. A level is never called a degree."""

from datetime import datetime, timedelta

from schemas.nights import zone_named


def level_words(level: float | None) -> str:
    """A level with its meaning; 0 is seen both of a neutral side and of one that is off."""
    if level is None:
        return "not told"
    if level == 0:
        return "0, neutral or off"
    return f"{level:+g}, {'heating' if level > 0 else 'cooling'}"


def lasting_words(duration_s: int) -> str:
    """How long a command lasts."""
    return f"for {clock_words(duration_s)}" if duration_s else "until told otherwise"


def clock_words(duration_s: int) -> str:
    """A duration as hours, minutes and, if there are some, seconds."""
    hours, rest = divmod(duration_s, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes:02} min" + (f" {seconds:02} s" if seconds else "")


def local_words(instant: datetime, zone: str) -> str:
    """Weekday, date and time in the zone, with its offset then."""
    local = instant.astimezone(zone_named(zone))
    offset = local.utcoffset() or timedelta(0)
    sign = "-" if offset < timedelta(0) else "+"
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    return f"{local:%a %Y-%m-%d %H:%M} {sign}{hours:02}:{minutes:02}"


def command_words(left: int | None, right: int | None, duration_s: int) -> str:
    """What a bed is told."""
    sides = [f"{name} {level:+d}" if level else f"{name} 0" for name, level in (("left", left), ("right", right))
             if level is not None]  # fmt: skip
    return f"{', '.join(sides)} {lasting_words(duration_s)}"
