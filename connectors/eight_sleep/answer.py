"""A good answer of Eight Sleep: its bytes, and what they say as the type that community clients read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.answer import Answer
from connectors.eight_sleep.refusals import unreadable

T = TypeVar("T")


@dataclass(frozen=True)
class EightSleepAnswer(Answer[T]):
    """``what`` names the endpoint in texts, ``decoder`` makes the content of the body."""

    what: str
    decoder: Callable[[bytes], T] = field(repr=False)

    def _decoded(self) -> T:
        try:
            return self.decoder(self.body)
        except (ValueError, RecursionError):
            pass
        raise unreadable(self.what)
