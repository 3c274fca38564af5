"""The vendor of the benchmark: the simulator's answers, made once and then served from memory after a fixed delay.

A server that computes each answer would be the slowest part of the race on a small machine. This one asks the
simulator only for what nobody has asked before, so that after one warm-up everybody meets the same bytes at one price.
Run as ``python -m benchmarks.engine.replay --users 200 --nights 14 --delay-ms 20``; prints its address.
"""

import argparse
import asyncio
import json
import resource
from typing import Any

import httpx

from benchmarks.engine.contestant import KEY, NOW
from connectors.asleep.sandbox.app import build_app
from connectors.asleep.sandbox.world import World

SEED = 1
ABOUT = b"/_bench/"
_SENT = (b"x-user-id", b"timezone")


class Recording:
    """Answers by what tells requests apart, and the requests themselves in the order they first came."""

    def __init__(self, users: int, nights: int) -> None:
        self.world = World(users=users, nights=nights, seed=SEED, api_key=KEY, now=NOW)
        self._simulator = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(self.world)),
            base_url="http://simulator",
            headers={"x-api-key": KEY},
        )
        self._answers: dict[tuple[bytes, ...], bytes] = {}
        self.requests: list[dict[str, Any]] = []
        self.served = 0

    async def answer(self, target: bytes, headers: dict[bytes, bytes]) -> bytes:
        """The whole HTTP answer to a GET."""
        self.served += 1
        sent = {name.decode(): headers[name].decode() for name in _SENT if name in headers}
        key = (target, *sorted(name.encode() + b":" + value.encode() for name, value in sent.items()))
        if key not in self._answers:
            made = await self._simulator.get(target.decode(), headers=sent)
            if key not in self._answers:
                self._answers[key] = _http(made.status_code, made.content)
                self.requests.append({"target": target.decode(), "headers": sent, "status": made.status_code})
        return self._answers[key]

    def about(self, what: bytes) -> Any:
        """What the benchmark wants to know: the people, what was asked, what serving has cost."""
        if what == b"users":
            return [(user.user_id, user.person.timezone) for user in self.world.users()]
        if what == b"requests":
            return self.requests
        used = resource.getrusage(resource.RUSAGE_SELF)
        return {"cpu_s": used.ru_utime + used.ru_stime, "served": self.served, "recorded": len(self.requests)}


class Connection(asyncio.Protocol):
    """One kept connection; requests without a body, one after the other, as every contestant sends them."""

    def __init__(self, recording: Recording, delay_s: float) -> None:
        self._recording = recording
        self._delay_s = delay_s
        self._received = b""
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is whole."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            task = asyncio.get_running_loop().create_task(self._answer(head))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, head: bytes) -> None:
        line, *lines = head.split(b"\r\n")
        target = line.split(b" ")[1]
        if target.startswith(ABOUT):
            self._send(_http(200, json.dumps(self._recording.about(target.removeprefix(ABOUT))).encode()))
            return
        pairs = (line.partition(b":") for line in lines)
        answer = await self._recording.answer(target, {name.lower(): value.strip() for name, _, value in pairs})
        asyncio.get_running_loop().call_later(self._delay_s, self._send, answer)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _http(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def serve(users: int, nights: int, delay_ms: float) -> None:
    """Serve until killed."""
    recording = Recording(users, nights)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(recording, delay_ms / 1000), "127.0.0.1", 0, backlog=512)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--nights", type=int, required=True)
    parser.add_argument("--delay-ms", type=float, default=0)
    asyncio.run(serve(**vars(parser.parse_args())))
