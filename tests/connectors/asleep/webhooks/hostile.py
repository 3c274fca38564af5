"""Ten families of requests that mean harm, made from a number each, and sending many of them over many connections."""

import gzip
import json
import re
import socket
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.connectors.asleep.webhooks.posting import USER, event, head

MIB = 1024 * 1024
SENDERS = 32
SENT_WHOLE_EVERY = 500
"""Of the bodies of 50 MB most are announced and refused; one of so many is really sent."""

EVENT = json.dumps(event(1, stat={"time_in_bed": 3600})).encode()
INFERENCE = json.dumps(
    {
        "event": "INFERENCE_COMPLETE",
        "version": "V3",
        "data": {"user_id": USER, "session_id": "s_1", "seq_num": 39, "inference_seq_num": 3, "sleep_stages": [1] * 40},
    }
).encode()
NUMBERS = [b"1e999", b"-1e999", b"9" * 6000, b"-0", b"1e-999", b"0x10", b"01", b"1." + b"0" * 6000, b"9" * 400]
NOT_NUMBERS = [b"NaN", b"-NaN", b"nan", b"Infinity", b"-Infinity", b"inf", b"1e", b"+1", b".5"]
SURROGATES = [b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\uD83D"', b'"\xed\xa0\x80"', b'"\xff"', b'"\\udfff\\u0000"']
OTHERS = [b"null", b"[]", b"{}", b'""', b"true", b"[[]]", b"-1", b'{"a":{}}', b'"x"', b"1.5"]
OLDS = [b'"V3"', b"[1, 1", b" 39", b" 3,", b'"s_1"', b" 3600", b'"COMPLETE"', b'"SESSION_COMPLETE"', b'{"id"']
BOMB = b'{"data":"' + b"0" * (10 * MIB) + b'"}'
BOMBS = {"gzip": gzip.compress(BOMB), "deflate": zlib.compress(BOMB), "br": b"\x5b\xff\xff\x9f" + bytes(200)}

REFUSED_SIZE = 50 * MIB


def mutated(random: Random) -> bytes:
    """Some bytes are replaced, put in or taken out."""
    body = bytearray(_valid(random))
    for _ in range(random.randint(1, 6)):
        place, length = random.randrange(len(body) + 1), random.randrange(4)
        body[place : place + length] = random.randbytes(random.randrange(4))
    return _whole(bytes(body))


def truncated(random: Random) -> bytes:
    """The end is missing."""
    body = _valid(random)
    return _whole(body[: random.randrange(len(body))])


def nested(random: Random) -> bytes:
    """Lists and objects in each other, closed or not, alone or inside an event; a few of them very deep."""
    depth = random.randint(1, 30_000 if random.random() < 0.05 else 1_500)
    opening, closing = random.choice([(b"[", b"]"), (b'{"a":', b"}")])
    deep = opening * depth + (b"0" + closing * depth if random.random() < 0.7 else b"")
    return _whole(random.choice([deep, EVENT.replace(b"3600", deep), b'{"data":' + deep + b"}"]))


def huge_numbers(random: Random) -> bytes:
    """A number that no number type holds, or a text that is nearly one."""
    return _whole(_replaced(random, random.choice(NUMBERS)))


def not_numbers(random: Random) -> bytes:
    """NaN, Infinity and their kin, which some take for JSON."""
    return _whole(_replaced(random, random.choice(NOT_NUMBERS)))


def surrogates(random: Random) -> bytes:
    """Halves of surrogate pairs, escaped and not, as a value or alone."""
    text = random.choice(SURROGATES)
    return _whole(text if random.random() < 0.1 else _replaced(random, text))


def twice(random: Random) -> bytes:
    """A name is there twice, with another value."""
    name = random.choice(["event", "version", "data", "callback_data", "user_id", "session_id", "seq_num"])
    value = random.choice([b"null", b"1", b'"V3"', json.dumps(USER).encode(), b'{"user_id": "x"}', b"[]"])
    body = _valid(random)
    pair = json.dumps(name).encode() + b": " + value
    return _whole(b"{" + pair + b", " + body[1:] if random.random() < 0.5 else body[:-1] + b", " + pair + b"}")


def bombs(random: Random) -> bytes:
    """Ten megabytes in some kilobytes: said to be compressed, or not."""
    name = random.choice(list(BOMBS))
    return _whole(BOMBS[name], **random.choice([{"content-encoding": name}, {"content-encoding": f"{name}, gzip"}, {}]))


def fifty_mb(random: Random) -> bytes:
    """Announced by somebody who asks before sending; ``sends_whole`` tells which are really sent."""
    if random.randrange(SENT_WHOLE_EVERY):
        return head(REFUSED_SIZE + random.randrange(MIB), expect="100-continue", connection="keep-alive")
    return head(None, connection="keep-alive")


def wrong_types(random: Random) -> bytes:
    """A value of another type, somewhere or instead of it all."""
    other = random.choice(OTHERS)
    return _whole(other if random.random() < 0.1 else _replaced(random, other))


FAMILIES: tuple[Callable[[Random], bytes], ...] = (
    mutated,
    truncated,
    nested,
    huge_numbers,
    not_numbers,
    surrogates,
    twice,
    bombs,
    fifty_mb,
    wrong_types,
)


def send(address: tuple[str, int], count: int, first: int = 0) -> dict[str, Counter[int]]:
    """Send ``count`` hostile requests, the same ones for the same ``first``; the statuses of the answers by family."""

    def one_sender(number: int) -> dict[str, Counter[int]]:
        answers: dict[str, Counter[int]] = {family.__name__: Counter() for family in FAMILIES}
        with _Sender(address) as sender:
            for each in range(first + number, first + count, SENDERS):
                family = FAMILIES[each % len(FAMILIES)]
                answers[family.__name__][sender.status(family(Random(each)))] += 1  # noqa: S311
        return answers

    with ThreadPoolExecutor(SENDERS) as senders:
        parts = list(senders.map(one_sender, range(SENDERS)))
    return {family.__name__: sum((part[family.__name__] for part in parts), Counter()) for family in FAMILIES}


class _Sender:
    """Asks over one connection for as long as it is kept."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address

    def __enter__(self) -> "_Sender":
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def status(self, request: bytes) -> int:
        """The status of the answer to a request."""
        self._connection.sendall(request)
        if b"\r\ntransfer-encoding: chunked\r\n" in request[:400]:
            for piece in _chunks():
                self._connection.sendall(piece)
        answer = self._connection.recv(65_536)
        while not _is_whole(answer):
            piece = self._connection.recv(65_536)
            assert piece, "every request is answered"
            answer += piece
        if b"\r\nconnection: close" in answer:
            self._connection.close()
            self._connect()
        return int(answer[9:12])

    def _connect(self) -> None:
        self._connection = socket.create_connection(self._address, timeout=120)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _is_whole(answer: bytes) -> bool:
    fields, end, body = answer.partition(b"\r\n\r\n")
    lengths = re.findall(rb"\r\ncontent-length: (\d+)", fields)
    return bool(end) and len(body) == int(lengths[0])


def _chunks() -> Iterator[bytes]:
    chunk = b"%x\r\n" % MIB + b" " * MIB + b"\r\n"
    yield from (chunk for _ in range(REFUSED_SIZE // MIB))
    yield b"0\r\n\r\n"


def _valid(random: Random) -> bytes:
    return random.choice([EVENT, INFERENCE])


def _replaced(random: Random, new: bytes) -> bytes:
    body = _valid(random)
    old = random.choice([old for old in OLDS if old in body])
    return body.replace(old, b" " + new + (b"," if old.endswith(b",") else b""), 1)


def _whole(body: bytes, **headers: str) -> bytes:
    return head(len(body), connection="keep-alive", **headers) + body
