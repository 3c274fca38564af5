"""An answer that does not come: the vendor has the request and says nothing until the client goes away."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class HeldAnswer(Response):
    """Answers nothing; ends with the client's connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for the client to go away."""
        while (await receive())["type"] != "http.disconnect":
            pass
