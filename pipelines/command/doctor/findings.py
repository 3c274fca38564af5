"""What the doctor says of one thing, and how a look that fails becomes a finding of its own."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from connectors.errors import NightshiftError


class Finding(NamedTuple):
    """One thing looked at: ``fine`` is None when it could not be looked at because of what another finding tells.

    ``words`` says what is there, ``do`` what to do about it; both name no person and no key.
    """

    what: str
    fine: bool | None
    words: str
    do: str = ""


def look(what: str, at: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Everything found, and as the last one the error that ended the look, if any: other looks go on."""
    found: list[Finding] = []
    try:
        for finding in at():
            found.append(finding)
    except NightshiftError as error:
        found.append(Finding(what, False, str(error)))
    except OSError as error:
        found.append(Finding(what, False, f"It cannot be looked at ({error.strerror or type(error).__name__})."))
    except Exception as error:  # the text of an unforeseen error may hold anything
        found.append(Finding(what, False, f"It cannot be looked at (unexpected {type(error).__name__}).", "Report it."))
    return found
