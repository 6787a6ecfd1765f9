"""`python -m tests.bench.peers`: does each peer run here? Three quick commands for each, and whether all was ended."""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.peers import CANCELLING, FLOORS, Peer

COMMANDS = 3
SECONDS = 30.0


def main() -> int:
    """1 where a peer that is not left out did not run."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("names", nargs="*", help="only peers with one of these in their name")
    names = [name.lower() for name in parser.parse_args().names]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # unwinds, and so ends what runs
    failed = False
    for kind in (*FLOORS, *CANCELLING):
        if names and not any(name in kind.name.lower() for name in names):
            continue
        why = kind.missing()
        said = f"left out: {why}" if why else try_out(kind)
        failed |= said.startswith("FAILED")
        print(f"{kind.name:30} {said}", flush=True)
    return failed


def try_out(kind: type[Peer]) -> str:
    """Run the commands; what came of it, in a line."""
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        begun = time.monotonic()
        try:
            with kind(Path(folder)) as peer:
                started = time.monotonic()
                files = [Path(folder) / f"done {number}" for number in range(COMMANDS)]
                ids = [peer.submit(["/bin/sh", "-c", ': > "$0"', str(file)]) for file in files]
                done = peer.wait(ids, SECONDS)
                ended = time.monotonic()
                there = sum(file.exists() for file in files)
        except Exception as error:  # noqa: BLE001 # whatever it is, the next peer is tried all the same
            return f"FAILED: {type(error).__name__}: {error}"
        took = f"started in {started - begun:.1f} s, {there} of {COMMANDS} commands in {ended - started:.2f} s"
        verdict = "ran" if done and there == COMMANDS else "FAILED"
        return f"{verdict}: {took}, {kind.durability}; {kind.version()}"


if __name__ == "__main__":
    sys.exit(main())
