"""What is answered to whoever posts to the webhook: checks in a fixed order, then the inbox, then 200.

Nothing that is known of a request but its outcome and its size is told to anybody: not in answers, not in logs. What an
event is good for is found out later and never changes an answer.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from time import monotonic
from typing import TYPE_CHECKING, Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from connectors.asleep.webhooks.bodies import Bodies, BodyCutOff, BodyTooLarge, BodyTooSlow, Incoming
from connectors.asleep.webhooks.inbox import Attempt, Delivery, InboxUnavailable, Outcome, Status
from connectors.asleep.webhooks.metrics import Metrics
from connectors.asleep.webhooks.writer import Writer
from schemas.asleep import ASLEEP
from schemas.asleep_webhook import NOT_JSON, InferenceComplete, UnreadableEvent, WebhookEvent, webhook_event

if TYPE_CHECKING:
    from connectors.home import Clock

PATH = "/asleep-webhook"

NOT_PLACED = "not_placed"
"""Why nobody knows which epochs an event's stages belong to: its numbers contradict each other."""

_RECEIVED = JSONResponse({"status": "received"})

_NOT_STORED = "The event could not be stored; send it again."


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long: bytes of the head's fields and of the body, seconds for the body and for the commit."""

    head_bytes: int = 32 * 1024
    body_bytes: int = 16 * 1024 * 1024
    body_s: float = 20
    commit_s: float = 20


class _Refused(Exception):
    """The attempt ends here, with this answer."""

    def __init__(self, status: int, outcome: Outcome, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.outcome = outcome
        self.sentence = sentence


class Receiver:
    """The webhook. Lets in whoever has one of ``keys``; ``unknown_users`` is kept with every event.

    ``metrics`` counts how requests end.
    """

    def __init__(
        self,
        writer: Writer,
        keys: Sequence[str],
        *,
        clock: "Clock",
        unknown_users: str,
        log: structlog.typing.FilteringBoundLogger,
        metrics: Metrics,
        limits: Limits = Limits(),
    ) -> None:
        self._writer = writer
        self._keys = [_digest(key.encode()) for key in keys]
        self._clock = clock
        self._log = log
        self._metrics = metrics
        self._unknown_users = unknown_users
        self._limits = limits
        self._bodies = Bodies(limits.body_bytes, limits.body_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one attempt."""
        request = Request(scope, receive)
        response = await self._response(request, Incoming(request))
        await response(scope, receive, send)

    async def _response(self, request: Request, incoming: Incoming) -> Response:
        refused = await self._refusal(request, incoming)
        if refused is None:
            return _RECEIVED
        self._metrics.ended(refused.outcome)
        if refused.outcome not in (Outcome.TOO_SLOW, Outcome.CUT_OFF):
            await self._bodies.let_pass(incoming)
        if refused.outcome is not Outcome.NOT_COMMITTED:
            await self._note(Attempt(self._clock(), refused.outcome, incoming.taken_bytes))
        answer = _error(refused.status, refused.sentence)
        if refused.outcome is Outcome.METHOD:
            answer.headers["allow"] = "POST"
        if not incoming.is_over:
            answer.headers["connection"] = "close"
        return answer

    async def _refusal(self, request: Request, incoming: Incoming) -> _Refused | None:
        """Why nothing is kept; None when the event is durable."""
        try:
            self._check_size(request)
            user_id = self._check_sender(request)
            async with self._bodies.whole(incoming) as body:
                await self._keep(self._delivery(body, user_id), len(body))
        except _Refused as refused:
            # A new one, because this one's trace holds the body for as long as it takes to answer.
            return _Refused(refused.status, refused.outcome, refused.sentence)
        except BodyTooLarge:
            return _too_large()
        except BodyTooSlow:
            return _Refused(408, Outcome.TOO_SLOW, "The body did not come in time.")
        except BodyCutOff:
            return _Refused(400, Outcome.CUT_OFF, "The body was cut off.")
        except InboxUnavailable:
            return _Refused(503, Outcome.NOT_COMMITTED, _NOT_STORED)
        except Exception as error:
            # Whatever this is, nothing was stored, and the sender is to come again.
            with suppress(OSError):
                self._log.error("webhooks.failed", error_kind=type(error).__name__)
            return _Refused(503, Outcome.FAILED, _NOT_STORED)
        return None

    def _check_size(self, request: Request) -> None:
        if request.method != "POST":
            raise _Refused(405, Outcome.METHOD, "Events are posted.")
        head = sum(len(name) + len(value) for name, value in request.headers.raw) + len(request.scope["query_string"])
        declared = request.headers.get("content-length", "")
        if head > self._limits.head_bytes or (declared.isdecimal() and int(declared) > self._limits.body_bytes):
            raise _too_large()

    def _check_sender(self, request: Request) -> bytes:
        """The id of the user whose event it is said to be."""
        if not self._is_key(_only(request, b"x-api-key")):
            raise _Refused(401, Outcome.WRONG_KEY, "Unauthorized")
        user_id = _only(request, b"x-user-id")
        if not user_id:
            raise _Refused(400, Outcome.NO_USER, "The header x-user-id is missing, empty or there twice.")
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise _Refused(415, Outcome.ENCODED, "The body must not be compressed.")
        return user_id

    def _is_key(self, given: bytes) -> bool:
        # All are compared, and by digests of one length, so that the time taken tells nothing.
        return sum([compare_digest(_digest(given), key) for key in self._keys]) > 0

    def _delivery(self, body: bytes, user_id: bytes) -> Delivery:
        try:
            event: WebhookEvent = webhook_event(body)
        except UnreadableEvent as unreadable:
            if unreadable.reason == NOT_JSON:
                raise _Refused(400, Outcome.NOT_JSON, "The body is not JSON.") from None
            about, status, reason = unreadable.about, Status.DEAD_LETTER, unreadable.reason
            named = (about.event, about.user_id, about.session_id)
        else:
            named = (event.event, event.user_id, event.session_id)
            status = Status.NEW
            reason = NOT_PLACED if isinstance(event, InferenceComplete) and event.first_epoch is None else ""
        name, told_user, session_id = named
        if told_user is not None and told_user.encode() != user_id:
            raise _Refused(400, Outcome.OTHER_USER, "The header x-user-id is not the user of the body.")
        return Delivery(
            ASLEEP,
            name or "",
            told_user or user_id.decode("utf-8", "backslashreplace"),
            session_id or "",
            status,
            reason,
            self._unknown_users,
            body,
        )

    async def _keep(self, delivery: Delivery, size: int) -> None:
        """Return when it is durable.

        Raises: InboxUnavailable.
        """
        begun = monotonic()
        outcome = Outcome.ACCEPTED if delivery.status is Status.NEW else Outcome.DEAD_LETTER
        try:
            async with asyncio.timeout(self._limits.commit_s):
                ended = await self._writer.record(Attempt(self._clock(), outcome, size, delivery))
        except TimeoutError:
            raise InboxUnavailable("The inbox of webhooks takes too long.") from None
        self._metrics.ended(ended)
        self._metrics.committed(monotonic() - begun)

    async def _note(self, attempt: Attempt) -> None:
        """Return when it stands in the audit; that it cannot is no other news for the sender."""
        with suppress(InboxUnavailable, TimeoutError):
            async with asyncio.timeout(self._limits.commit_s):
                await self._writer.record(attempt)


def receiver_app(receiver: Receiver, writer: Writer, others: Sequence[BaseRoute] = ()) -> Starlette:
    """The routes: the webhook, for whoever watches the process ``/live`` and ``/ready``, and ``others``."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_: Request) -> Response:
        return (
            JSONResponse({"status": "ready"})
            if await writer.is_ready()
            else _error(503, "The inbox cannot be written.")
        )

    routes = [Route(PATH, receiver), Route("/live", live), Route("/ready", ready), *others]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _elsewhere})
    app.router.redirect_slashes = False
    return app


def _only(request: Request, name: bytes) -> bytes:
    """The value of a header that is there once, else nothing."""
    values = [value for given, value in request.headers.raw if given == name]
    return values[0].strip() if len(values) == 1 else b""


def _digest(key: bytes) -> bytes:
    return sha256(key).digest()


def _too_large() -> _Refused:
    return _Refused(413, Outcome.TOO_LARGE, "The request is too large.")


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


async def _elsewhere(_: Request, error: Any) -> Response:
    answer = _error(error.status_code, "Not found" if error.status_code == 404 else "Not allowed")
    answer.headers.update(error.headers or {})
    return answer
