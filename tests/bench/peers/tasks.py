"""The one task of every peer: run a command as a child process, wait for it, and fail where it failed."""

import subprocess
from collections.abc import Sequence


def run(argv: Sequence[str]) -> int:
    """The command's exit status, which is 0; CalledProcessError where it is another."""
    return subprocess.run(argv, check=True).returncode
