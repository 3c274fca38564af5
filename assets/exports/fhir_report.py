"""What an export to a FHIR server is asked for and comes to."""

from collections import Counter
from dataclasses import dataclass, field

ALWAYS_VALIDATED = 10_000
"""So many resources of a run are validated whatever the share."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """How to export: ``version`` of Nightshift for the Provenance, whether there is one, the share of resources beyond
    ``ALWAYS_VALIDATED`` a run that are validated (0..1)."""

    version: str
    provenance: bool = True
    validated_share: float = 0.05


@dataclass(slots=True)
class ExportReport:
    """What an export came to, in resources; nobody is named.

    wanted = there (unchanged or written) + never_sent + refused + invalid + erased + left. ``written`` are new versions
    at the server, those too that a run brought which died before it could count them; ``created`` those of them that
    were not there before, ``retired`` members marked as errors. ``left`` says why: retry, conflict, lost (the server
    was in trouble), waiting (for a resource that they refer to), moving (another date claims them still).
    """

    wanted: int = 0
    unchanged: int = 0
    written: int = 0
    created: int = 0
    retired: int = 0
    never_sent: int = 0
    refused: int = 0
    invalid: int = 0
    erased: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def add(self, other: "ExportReport") -> None:
        """Count another export in."""
        for name, count in other.counts().items():
            if name != "left":
                setattr(self, name, getattr(self, name) + count)
        self.left += other.left

    def counts(self) -> dict[str, int]:
        """Every count by its name."""
        names = (name for name in self.__slots__ if name != "left")
        return {**{name: getattr(self, name) for name in names}, "left": self.left.total()}

    @property
    def accounted_for(self) -> bool:
        """Whether every resource wanted is there or has a reason not to be."""
        reasons = self.never_sent + self.refused + self.invalid + self.erased + self.left.total()
        return self.wanted == self.unchanged + self.written + reasons

    @property
    def complete(self) -> bool:
        """Whether nothing has to be tried again."""
        return not self.left
