"""The S3 server that all replicate to, `rclone serve s3` on a directory, and the proxy before it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from process import Failure

BUCKET = "bucket"
PROXY = Path(__file__).with_name("proxy.py")


@dataclass(frozen=True)
class Endpoint:
    """Where a bucket is, and the keys to it."""

    port: int
    key: str = "versus"
    secret: str = "versus-secret"
    region: str = "us-east-1"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True)
class Request:
    """A finished request, as the proxy wrote it down."""

    method: str
    path: str
    query: str
    status: int  # 0: it got no answer
    sent: int  # bytes of the request's body
    received: int  # bytes of the answer's body
    start: float  # seconds, monotonic
    end: float
    fault: str | None

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def listing(self) -> bool:
        return self.method == "GET" and self.path.strip("/") == BUCKET

    @property
    def stored(self) -> bool:
        """Whether an object is there since the end of it."""
        parts = "uploadId=" in self.query
        return self.good and (self.method == "PUT" and not parts or self.method == "POST" and parts)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """`rclone serve s3` on a directory, which holds the bucket as a directory of files."""

    def __init__(self, rclone: Path, directory: Path) -> None:
        self.directory = directory
        (directory / BUCKET).mkdir(parents=True, exist_ok=True)
        self.endpoint = Endpoint(free_port())
        self.log = directory.with_suffix(".log")
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                [rclone, "serve", "s3", "--config", os.devnull, "--addr", f"127.0.0.1:{self.endpoint.port}",
                 "--auth-key", f"{self.endpoint.key},{self.endpoint.secret}", directory],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        limit = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.endpoint.port), 1).close()
                return
            except OSError:
                if self.child.poll() is not None or time.monotonic() > limit:
                    self.stop()
                    raise Failure(f"rclone does not serve: {self.log.read_text()[-300:]}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()


class Store:
    """A server behind the proxy, and the record of all requests."""

    def __init__(self, rclone: Path, folder: Path, conditional: bool) -> None:
        self.server = Server(rclone, folder / "store")
        log = folder / "requests.jsonl"
        log.touch()
        self.log = open(log)
        self.rest = ""  # of a line that is not complete yet
        self.seen: list[Request] = []
        command = [sys.executable, "-B", str(PROXY), str(self.server.endpoint.port), str(log)]
        if conditional:
            command.append("conditional")
        self.proxy = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = Endpoint(int(self.line()))

    def line(self) -> str:
        line: str = self.proxy.stdout.readline() if self.proxy.stdout else ""
        if not line:
            raise Failure("the proxy ended")
        return line

    def tell(self, **command: Any) -> Any:
        """A command to the proxy, and its answer: see proxy.py."""
        if self.proxy.stdin is not None:
            self.proxy.stdin.write(json.dumps(command) + "\n")
            self.proxy.stdin.flush()
        return json.loads(self.line())

    def requests(self) -> list[Request]:
        """All that have finished, in the order of their ends."""
        *lines, self.rest = (self.rest + self.log.read()).split("\n")
        self.seen += [Request(**json.loads(line)) for line in lines]
        return self.seen

    def freeze(self, copy: Path) -> float:
        """Copies what is stored at this moment, and returns the moment.

        The server is stopped by a signal meanwhile. Its files appear before they are complete, which objects do not:
        an upload that had no answer yet is left out.
        """
        os.kill(self.server.child.pid, signal.SIGSTOP)
        try:
            moment = time.monotonic()
            shutil.copytree(self.server.directory, copy)
            before = {request.path for request in self.requests() if request.stored}
            for path in set(self.tell(unanswered=True)) - before:
                (copy / path.strip("/")).unlink(missing_ok=True)
        finally:
            os.kill(self.server.child.pid, signal.SIGCONT)
        return moment

    def stop(self) -> None:
        if self.proxy.stdin is not None:
            self.proxy.stdin.close()
        self.proxy.wait()
        self.server.stop()
        self.log.close()
