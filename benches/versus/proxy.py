"""A transparent HTTP proxy before the S3 server: counts every request, and makes some of them fail if told to.

Runs as a process of its own, so that its CPU counts to nobody:

    proxy.py UPSTREAM_PORT LOG [conditional]

With `conditional` it answers 412 to a put with `If-None-Match: *` where an object is: as S3 does, and rclone does not.
It prints its port, then takes commands on standard input, one JSON object a line, and answers each with one line:

    {"down": true}                                                nothing listens: connections are refused
    {"delay": [0.05, 0.1], "share": 0.2, "seed": 1}               seconds before each request; share of failing ones
    {}                                                            all is well again
    {"unanswered": true}                                          the paths of the uploads that have no answer yet

It ends with its standard input. Heads are forwarded as they are, so signatures stay valid, and bodies as they come.
Each line of LOG is one finished request: method, path, query, status (0: no answer), sent and received (bytes of the
bodies), start and end (seconds of CLOCK_MONOTONIC), fault (null or one of FAULTS).
"""

import asyncio
import json
import random
import socket
import struct
import sys
import time
from functools import partial
from typing import Any
from urllib.parse import unquote

FAULTS = ("500", "503", "cut request", "cut reply")
CODES = {412: "PreconditionFailed", 500: "InternalError", 503: "SlowDown"}
HEAD_END = b"\r\n\r\n"
CHUNK = 1 << 18
CHUNKED, UNTIL_CLOSE = -1, -2


class Cut(Exception):
    """The connection is to be cut here."""


class Count:
    """Bytes of a body that were moved so far."""

    def __init__(self) -> None:
        self.bytes = 0


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def reset(connection: Connection) -> None:
    """Ends a connection at once, as a crash of the other side would."""
    raw = connection[1].get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection[1].transport.abort()


def give_up(connection: Connection, sending: asyncio.Task[None]) -> None:
    """Ends a connection whose request cannot be completed."""
    if not sending.cancelled() and sending.exception():
        reset(connection)


def headers(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line of a head, and its fields by lower-case names."""
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    return first, {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def framing(fields: dict[str, str], default: int) -> int:
    """The length of a body in bytes, or CHUNKED or UNTIL_CLOSE."""
    if "chunked" in fields.get("transfer-encoding", "").lower():
        return CHUNKED
    return int(fields.get("content-length", default))


async def move(source: asyncio.StreamReader, sink: asyncio.StreamWriter | None, size: int, count: Count) -> None:
    """Moves bytes to `sink`, or to nowhere: `size` of them, or all that come until the end."""
    left = size
    while left:
        data = await source.read(CHUNK if left < 0 else min(left, CHUNK))
        if not data:
            if left < 0:
                return
            raise ConnectionError("a body ended early")
        if sink is not None:
            sink.write(data)
            await sink.drain()
        count.bytes += len(data)
        if left > 0:
            left -= len(data)


async def body(source: asyncio.StreamReader, sink: asyncio.StreamWriter | None, size: int, count: Count) -> None:
    """Moves one body, whatever its framing."""
    if size != CHUNKED:
        return await move(source, sink, size, count)
    last = False
    while not last:
        line = await source.readuntil(b"\r\n")
        length = int(line.split(b";")[0], 16)
        last = length == 0
        if sink is not None:
            sink.write(line)
        if not last:
            await move(source, sink, length, count)
        if sink is not None:
            sink.write(await source.readuntil(b"\r\n"))
        else:
            await source.readuntil(b"\r\n")


class Proxy:
    def __init__(self, upstream: int, log: str, conditional: bool) -> None:
        self.upstream = upstream
        self.conditional = conditional
        self.objects: set[str] = set()  # paths that were put and not deleted
        self.log = open(log, "a", buffering=1)
        self.port = 0
        self.server: asyncio.Server | None = None
        self.clients: set[asyncio.StreamWriter] = set()
        self.unanswered: list[str] = []
        self.delay = (0.0, 0.0)
        self.share = 0.0
        self.random = random.Random()

    async def listen(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, limit=1 << 20, backlog=4096)
        self.port = self.server.sockets[0].getsockname()[1]

    async def command(self, order: dict[str, Any]) -> Any:
        if "unanswered" in order:
            return self.unanswered
        self.delay = tuple(order.get("delay", (0.0, 0.0)))
        self.share = order.get("share", 0.0)
        self.random.seed(order.get("seed"))
        if order.get("down"):
            if self.server:
                self.server.close()
                self.server = None
            for writer in self.clients:
                writer.transport.abort()
        elif self.server is None:
            await self.listen()
        return None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client: requests one after another, each through one connection to the server."""
        client, upstream = (reader, writer), None
        self.clients.add(writer)
        try:
            while True:
                head = await reader.readuntil(HEAD_END)
                if upstream is None or upstream[0].at_eof():
                    if upstream is not None:
                        upstream[1].close()
                    upstream = await asyncio.open_connection("127.0.0.1", self.upstream, limit=1 << 20)
                if not await self.request(client, upstream, head):
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return
        except Cut:
            reset(client)
            if upstream is not None:
                reset(upstream)
        finally:
            self.clients.discard(writer)
            writer.close()
            if upstream is not None:
                upstream[1].close()

    async def request(self, client: Connection, upstream: Connection, head: bytes) -> bool:
        """One request and its answer. Whether the connection can be used again."""
        first, fields = headers(head)
        method, target, _ = first.split(" ", 2)
        path, _, query = target.partition("?")
        record: dict[str, Any] = {"method": method, "path": unquote(path), "query": query, "status": 0,
                                  "start": time.monotonic()}
        fault = self.random.choice(FAULTS) if self.random.random() < self.share else None
        sent, received = Count(), Count()
        upload = method in ("PUT", "POST")
        if upload:
            self.unanswered.append(record["path"])
        try:
            if self.delay[1]:
                await asyncio.sleep(self.random.uniform(*self.delay))
            size = framing(fields, 0)
            if fault in ("500", "503"):
                return await self.refuse(client, fields, size, sent, record, int(fault))
            if self.conditional and fields.get("if-none-match") == "*" and record["path"] in self.objects:
                return await self.refuse(client, fields, size, sent, record, 412)
            upstream[1].write(head)
            if fault == "cut request":
                await move(client[0], upstream[1], max(size // 2, 0), sent)
                raise Cut
            sending = asyncio.create_task(body(client[0], upstream[1], size, sent))
            sending.add_done_callback(partial(give_up, upstream))
            try:
                again = await self.answer(client, upstream, record, received, fault)
                return again and sending.done()
            finally:
                if not sending.done():
                    sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        finally:
            if upload:
                self.unanswered.remove(record["path"])
            record |= {"sent": sent.bytes, "received": received.bytes, "end": time.monotonic(), "fault": fault}
            self.log.write(json.dumps(record) + "\n")

    async def refuse(self, client: Connection, fields: dict[str, str], size: int, sent: Count, record: dict[str, Any],
                     status: int) -> bool:
        """Answers with an error in the server's place."""
        if "expect" not in fields:
            await body(client[0], None, size, sent)
        record["status"] = status
        text = f"<Error><Code>{CODES[status]}</Code></Error>" if record["method"] != "HEAD" else ""
        client[1].write(f"HTTP/1.1 {status} {CODES[status]}\r\nContent-Type: application/xml\r\nContent-Length: {len(text)}\r\n"
                        f"Connection: close\r\n\r\n{text}".encode())
        await client[1].drain()
        return False

    async def answer(self, client: Connection, upstream: Connection, record: dict[str, Any], received: Count,
                     fault: str | None) -> bool:
        """Relays the server's answer, which may come before the request is complete."""
        while True:
            head = await upstream[0].readuntil(HEAD_END)
            first, fields = headers(head)
            status = int(first.split(" ", 2)[1])
            if status >= 200:
                break
            client[1].write(head)
        if status < 300 and ("uploadId=" in record["query"]) == (record["method"] == "POST"):
            if record["method"] in ("PUT", "POST"):
                self.objects.add(record["path"])
            elif record["method"] == "DELETE":
                self.objects.discard(record["path"])
        bodiless = record["method"] == "HEAD" or status in (204, 304)
        size = 0 if bodiless else framing(fields, UNTIL_CLOSE)
        if fault == "cut reply":
            if size > 1:
                client[1].write(head)
                await move(upstream[0], client[1], size // 2, received)
            raise Cut
        record["status"] = status
        client[1].write(head)
        await body(upstream[0], client[1], size, received)
        await client[1].drain()
        return size != UNTIL_CLOSE and fields.get("connection", "").lower() != "close"


async def main(upstream: int, log: str, conditional: bool) -> None:
    proxy = Proxy(upstream, log, conditional)
    await proxy.listen()
    print(proxy.port, flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(json.dumps(await proxy.command(json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], "conditional" in sys.argv[3:]))
