"""What the sandbox is: its resources, how it behaves within the standard, who may log in, and what it was asked.

All of it can be changed under ``/_control`` while it runs. What goes wrong on purpose is in ``faults``.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from connectors.fhir_server.sandbox.store import Store


@dataclass
class Switches:
    """How the server behaves where the standard leaves a choice.

    ``update_create``: a PUT creates under the client's id. ``conditional_update``: PUT by a search. ``largest_body``
    bytes and ``most_entries`` are refused with 413 when exceeded. ``check_references``: a target must exist when it is
    referred to, and cannot be deleted while it is. ``absolute_references``: answers hold them with the base address.
    ``adds_narrative``: stored resources get a text of the server's. ``poison``: identifier values refused with 422
    and diagnostics that quote the resource; a Bundle of kind ``strict`` is refused as a whole for one.
    ``gone_is_gone``: a deleted id cannot be written again (410). ``stale_searches``: so many searches are answered as
    if nothing were there, as from a cache; conditional updates know better.
    """

    fhir_version: str = "4.0.1"
    update_create: bool = True
    conditional_update: bool = True
    batch: bool = True
    transaction: bool = True
    largest_body: int = 50_000_000
    most_entries: int = 10_000
    check_references: bool = False
    absolute_references: bool = False
    adds_narrative: bool = False
    strict: bool = False
    gone_is_gone: bool = False
    stale_searches: int = 0
    poison: list[str] = field(default_factory=list)

    def set(self, changes: dict[str, Any]) -> None:
        """Change some. Raises ValueError: one that there is not, or of another type."""
        kinds = {one.name: type(getattr(self, one.name)) for one in fields(self)}
        for name, value in changes.items():
            if kinds.get(name) is not type(value):
                raise ValueError(f"{name} is no switch, or of another type: see GET /_control/switches.")
        for name, value in changes.items():
            setattr(self, name, value)


@dataclass
class World:
    """A server's state. ``bearer`` is a token it takes; ``jwks`` are the keys of the SMART client ``client_id``.

    Without either everybody may do everything. Tokens of SMART clients live ``token_s`` seconds; ``told_s`` is what
    the token answer says of it, None nothing.
    """

    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    switches: Switches = field(default_factory=Switches)
    bearer: str | None = None
    client_id: str | None = None
    jwks: dict[str, Any] = field(default_factory=dict)
    token_s: float = 300.0
    told_s: float | None = 300.0
    asked: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Begin with nothing stored and no token given."""
        self.store = Store(self.clock)
        self.tokens: dict[str, datetime] = {}
        self.assertions: set[str] = set()
