"""What whoever runs the receiver asks it: ``/health``, ``/metrics`` and ``/openapi.json``; behind the proxy only.

None of the answers tells of anybody, or of where anything lies.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from connectors.asleep.webhooks.health import Expected, Figures, findings
from connectors.asleep.webhooks.metrics import CONTENT_TYPE, Metrics
from connectors.asleep.webhooks.openapi import document
from connectors.asleep.webhooks.watch import NotSeen, Watch


class Operations:
    """The answers, from what ``watch`` sees and ``metrics`` counts; ``expected`` says when all is well."""

    def __init__(self, watch: Watch, metrics: Metrics, expected: Expected) -> None:
        self._watch = watch
        self._metrics = metrics
        self._expected = expected
        self._told: tuple[Figures, bytes] | None = None

    def routes(self) -> list[BaseRoute]:
        """Where they are given."""
        return [
            Route("/health", self._health),
            Route("/metrics", self._text),
            Route("/openapi.json", self._document),
        ]

    async def _health(self, _: Request) -> Response:
        try:
            figures = await self._watch.figures()
        except NotSeen as not_seen:
            return JSONResponse({"fine": False, "words": str(not_seen)}, 503)
        found = findings(figures, self._expected)
        fine = all(finding.fine for finding in found.values())
        told = {what: {"fine": each.fine, "words": each.words, **each.figures} for what, each in found.items()}
        return JSONResponse({"fine": fine, **told}, 200 if fine else 503)

    async def _text(self, _: Request) -> Response:
        try:
            figures = await self._watch.figures()
        except NotSeen:
            return Response(self._metrics.text(None, {}), media_type=CONTENT_TYPE)
        # One look, one text: to put it together takes the event loop a moment too.
        if self._told is None or self._told[0] is not figures:
            self._told = figures, self._metrics.text(figures, findings(figures, self._expected))
        return Response(self._told[1], media_type=CONTENT_TYPE)

    async def _document(self, _: Request) -> Response:
        return JSONResponse(document())
