"""The floor: every request that our pull makes, over as many kept connections, and the bytes thrown away.

No client on this machine gets the same answers sooner: nothing is parsed but the length of an answer.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.engine.contestant import KEY, Meter, Task, ask, compete


def run(task: Task, folder: Path, meter: Meter) -> None:
    """Fetch everything that was recorded; of some users, the same share of it."""
    host, port = urlsplit(task.base_url).hostname, urlsplit(task.base_url).port
    wanted = ask(task.base_url, "requests")
    heads = [_head(request) for request in wanted][: task.users and 10 * task.users]
    with meter.running():
        meter.notes["bytes"] = asyncio.run(_fetch_all(str(host), int(port or 80), heads, task.connections))
    meter.notes["requests"] = len(heads)


def _head(request: dict[str, Any]) -> bytes:
    headers = {"host": "vendor", "x-api-key": KEY, **request["headers"]}
    lines = [f"GET {request['target']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def _fetch_all(host: str, port: int, heads: list[bytes], connections: int) -> int:
    left = iter(heads)
    return sum(await asyncio.gather(*(_fetch(host, port, left) for _ in range(connections))))


async def _fetch(host: str, port: int, left: Iterator[bytes]) -> int:
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    received = 0
    for head in left:
        writer.write(head)
        answer_head = await reader.readuntil(b"\r\n\r\n")
        length = int(answer_head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        received += len(await reader.readexactly(length))
    writer.close()
    return received


if __name__ == "__main__":
    compete(run)
