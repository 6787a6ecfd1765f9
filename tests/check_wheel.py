"""Does the built wheel run? Unpack it alone, and let it start a daemon and answer: `python tests/check_wheel.py WHEEL`.

The suite runs on the live folder; this is what a user installs.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ANSWER_SECONDS = 30
SHARED = ("/share/man/man1/rushes.1", "/share/bash-completion/completions/rushes")
CLIENT = """
import asyncio
import sys
from bus.client import Client
from cli.top.app import Top

async def look(pilot):
    await pilot.pause()
    await pilot.press("q")

assert asyncio.run(Top(sys.argv[1]).run_async(headless=True, auto_pilot=look)) == 0
with Client(sys.argv[1], deadline=20) as rushes:
    print(rushes.status().version)
    rushes.shutdown()
"""


def main(wheel: str) -> None:
    """Unpack, start, ask, stop."""
    with tempfile.TemporaryDirectory(prefix="rushes-wheel-") as folder:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(f"{folder}/wheel")
            missing = [path for path in SHARED if not any(name.endswith(path) for name in archive.namelist())]
        if missing:
            sys.exit(f"the wheel lacks {', '.join(missing)}")
        environment = {**os.environ, "PYTHONPATH": f"{folder}/wheel"}
        bus = f"ipc://{folder}/bus"
        daemon = subprocess.Popen(
            [sys.executable, "-m", "actors", "--data", f"{folder}/data", "--bus", bus],
            env=environment,
            cwd=folder,
        )
        try:
            answer = subprocess.run(
                [sys.executable, "-c", CLIENT, bus],
                env=environment,
                cwd=folder,
                check=True,
                capture_output=True,
                text=True,
                timeout=ANSWER_SECONDS,
            )
            status = daemon.wait(ANSWER_SECONDS)
        finally:
            daemon.kill()
        if status != 0:
            sys.exit(f"the wheel's daemon ended with {status}")
        print(f"{Path(wheel).name}: its daemon {answer.stdout.strip()} starts, is looked at by top, answers and stops")


if __name__ == "__main__":
    main(*sys.argv[1:])
