"""The replicators: how each is started, restored with, and which of its objects make a commit restorable."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from store import BUCKET, Endpoint, Request


@dataclass(frozen=True)
class Replica:
    """A database, and the prefix under which it goes to the bucket."""

    database: Path
    prefix: str


class Tool:
    """A replicator. It runs until SIGTERM, and ends well after that."""

    name: str
    objects: re.Pattern[str]  # paths of the objects that make commits restorable

    def __init__(self, program: Path) -> None:
        self.program = program

    def version(self) -> str:
        raise NotImplementedError

    def replicate(self, folder: Path, endpoint: Endpoint, replicas: Sequence[Replica], interval_ms: int) -> list[str]:
        """The command that replicates, with its files in `folder`."""
        raise NotImplementedError

    def restore(self, folder: Path, endpoint: Endpoint, replica: Replica, output: Path) -> list[str]:
        """The command that restores the latest state."""
        raise NotImplementedError

    def environment(self, folder: Path, endpoint: Endpoint) -> dict[str, str]:
        """All variables there are: nothing of this machine's configuration counts."""
        return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "AWS_REGION": endpoint.region,
                "AWS_ACCESS_KEY_ID": endpoint.key, "AWS_SECRET_ACCESS_KEY": endpoint.secret,
                "AWS_ENDPOINT_URL": endpoint.url}

    def restorable(self, request: Request) -> bool:
        """Whether commits are restorable since the end of this request."""
        return request.stored and bool(self.objects.search(request.path))

    def said(self, *arguments: str) -> str:
        answer = subprocess.run([self.program, *arguments], capture_output=True, text=True, check=True)
        return answer.stdout.strip()


class Waloy(Tool):
    name = "waloy"
    objects = re.compile(r"/(snapshot|wal/[^/]+)$")

    def version(self) -> str:
        return self.said("--version")

    def replicate(self, folder: Path, endpoint: Endpoint, replicas: Sequence[Replica], interval_ms: int) -> list[str]:
        places = [f"{replica.database}=s3://{BUCKET}/{replica.prefix}" for replica in replicas]
        return [str(self.program), "replicate", *places, "--path-style", "--sync-interval", f"{interval_ms}ms"]

    def restore(self, folder: Path, endpoint: Endpoint, replica: Replica, output: Path) -> list[str]:
        return [str(self.program), "restore", f"s3://{BUCKET}/{replica.prefix}", "--path-style", "-o", str(output)]


class Litestream(Tool):
    """Litestream 0.5: an LTX file of level 0 for each sync."""

    name = "Litestream 0.5"
    objects = re.compile(r"/(ltx/)?0+/[0-9a-f]{16}-[0-9a-f]{16}\.ltx$")

    def version(self) -> str:
        return f"Litestream {self.said('version').removeprefix('v')}"

    def configuration(self, folder: Path, endpoint: Endpoint, replicas: Sequence[Replica], interval_ms: int) -> str:
        """A configuration file, in the part of YAML that is JSON. What is not named here is left at its default."""
        databases = [self.database(replica.database, interval_ms, {
            "type": "s3", "bucket": BUCKET, "path": replica.prefix, "endpoint": endpoint.url, "region": endpoint.region,
            "force-path-style": True, "sync-interval": f"{interval_ms}ms"}) for replica in replicas]
        file = folder / f"litestream-{endpoint.port}.yml"
        keys = {"access-key-id": endpoint.key, "secret-access-key": endpoint.secret}
        file.write_text(json.dumps(keys | {"dbs": databases}))
        return str(file)

    def database(self, path: Path, interval_ms: int, replica: dict[str, object]) -> dict[str, object]:
        """A database of the configuration. It is looked at every second by default: more often if it syncs so."""
        return {"path": str(path), "monitor-interval": f"{min(interval_ms, 1000)}ms", "replica": replica}

    def replicate(self, folder: Path, endpoint: Endpoint, replicas: Sequence[Replica], interval_ms: int) -> list[str]:
        return [str(self.program), "replicate", "-config", self.configuration(folder, endpoint, replicas, interval_ms)]

    def restore(self, folder: Path, endpoint: Endpoint, replica: Replica, output: Path) -> list[str]:
        file = self.configuration(folder, endpoint, [replica], 1000)
        return [str(self.program), "restore", "-config", file, "-o", str(output), str(replica.database)]


class Litestream03(Litestream):
    """Litestream 0.3: snapshots, and the WAL in pieces."""

    name = "Litestream 0.3"
    objects = re.compile(r"/(wal/.*\.wal|snapshots/.*\.snapshot)\.lz4$")

    def database(self, path: Path, interval_ms: int, replica: dict[str, object]) -> dict[str, object]:
        return {"path": str(path), "monitor-interval": f"{min(interval_ms, 1000)}ms", "replicas": [replica]}
