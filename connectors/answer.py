"""A good answer of a vendor: its bytes exactly as received, and its typed content on request.

Making the call does not live here, nor does what the content means: each vendor has its own kind of answer.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(ABC, Generic[T]):
    """``body`` as received (content decoding undone), with its HTTP status and the aware UTC time of receipt."""

    body: bytes = field(repr=False)
    status: int
    fetched_at: datetime

    def result(self) -> T:
        """The content, decoded once however often it is asked for.

        Raises ``UnreadableAnswer`` that names the place and type, never a value.
        """
        return self._result

    @cached_property
    def _result(self) -> T:
        return self._decoded()

    @abstractmethod
    def _decoded(self) -> T:
        """The typed content. Raises: UnreadableAnswer."""
