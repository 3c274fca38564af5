"""The other contestant: a starlette handler that appends bodies to a file, and answers when they are on disk.

It checks nothing, finds no duplicates and notes nothing. Bodies gather for as long as ours do, and share a sync. The
same function serves it, so that connections and uvicorn's settings are the same.

Run as ``python -m benchmarks.webhooks.bare FILE``; the first line it says is its address.
"""

import asyncio
import os
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from time import sleep

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.asleep.webhooks import server
from connectors.asleep.webhooks.receiver import PATH
from connectors.asleep.webhooks.writer import GATHER_S, LARGEST_BATCH

Waiting = tuple[bytes, "asyncio.Future[None]"]


def main(file: Path) -> None:
    """Listen until SIGTERM."""
    queue: SimpleQueue[Waiting] = SimpleQueue()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    threading.Thread(target=_append, args=(queue, descriptor), daemon=True).start()

    async def webhook(request: Request) -> Response:
        body = await request.body()
        durable = asyncio.get_running_loop().create_future()
        queue.put((body, durable))
        await durable
        return JSONResponse({"status": "received"})

    app = Starlette(routes=[Route(PATH, webhook, methods=["POST"])])
    server.serve(app, "127.0.0.1", 0, lambda base_url: print(base_url + PATH, flush=True))


def _append(queue: "SimpleQueue[Waiting]", descriptor: int) -> None:
    while True:
        batch = [queue.get()]
        sleep(GATHER_S)
        while len(batch) < LARGEST_BATCH and not queue.empty():
            batch.append(queue.get())
        pieces = b"".join(body for body, _ in batch)
        assert os.write(descriptor, pieces) == len(pieces)
        os.fdatasync(descriptor)  # as SQLite does
        batch[0][1].get_loop().call_soon_threadsafe(_tell, batch)


def _tell(batch: list[Waiting]) -> None:
    for _, durable in batch:
        if not durable.done():
            durable.set_result(None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
