"""What stands before FFmpeg in its command line, so that it is kind to the machine: nice, ionice and limits.

Programs of every Linux do it, each of which becomes the next: no process is added, and nothing runs between fork and
exec in a daemon of many threads. Where nothing is configured, nothing stands there.
"""

import shutil
import subprocess
from typing import Annotated, Literal

from msgspec import Meta, Struct

CHECK_SECONDS = 20
"""For `ffmpeg -version` behind all of them."""

SIZES = ("address_space", "file_size", "data", "memlock")
"""Limits that are bytes, and may be written as `8 GB`."""

OPTIONS = {
    "address_space": "as", "cpu_seconds": "cpu", "file_size": "fsize", "open_files": "nofile", "processes": "nproc",
    "data": "data", "memlock": "memlock", "core": "core",
}  # fmt: skip
"""The limits of getrlimit(2) by their names in the configuration, as prlimit(1) calls them."""

Limit = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1, description="a size, such as 8 GB")]


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """RLIMIT_* of each FFmpeg: bytes, seconds of CPU, or a number. None is what the daemon itself has."""

    address_space: Bytes | None = None
    cpu_seconds: Limit | None = None
    file_size: Bytes | None = None
    open_files: Limit | None = None
    processes: Limit | None = None
    data: Bytes | None = None
    memlock: Bytes | None = None
    core: Limit | None = None


class Children(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How FFmpeg runs. `nice`: 19 lets everybody else go first; `ionice`: `idle`, or 0 to 7 of best-effort."""

    nice: Annotated[int, Meta(ge=0, le=19)] = 0
    ionice: Literal["idle"] | Annotated[int, Meta(ge=0, le=7)] | None = None
    limits: Limits = Limits()


class NoWrapper(Exception):
    """What was configured for the children cannot be had; the message says why."""


def wrapper(children: Children, ffmpeg: str) -> tuple[str, ...]:
    """The words that stand before FFmpeg's, which was seen to start behind them. Raises `NoWrapper`."""
    words: list[str] = []
    if children.nice:
        words += [_program("nice"), "-n", str(children.nice)]
    if children.ionice is not None:
        how = ["-c", "3"] if children.ionice == "idle" else ["-c", "2", "-n", str(children.ionice)]
        words += [_program("ionice"), *how]
    limits = {OPTIONS[name]: getattr(children.limits, name) for name in OPTIONS}
    if any(value is not None for value in limits.values()):
        words.append(_program("prlimit"))
        words += [f"--{name}={value}" for name, value in limits.items() if value is not None]
    if words:
        _check([*words, ffmpeg, "-version"])
    return tuple(words)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NoWrapper(f"setting children: the program {name} (of coreutils or util-linux) is not on PATH")
    return path


def _check(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 # programs of the system, without a shell
            command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoWrapper(f"setting children: {error}") from None
    if done.returncode != 0 or done.stderr:
        why = done.stderr.strip() or f"it ended with {done.returncode}"
        raise NoWrapper(f"setting children: FFmpeg does not start with it: {why}")
