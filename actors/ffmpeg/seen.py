"""That an FFmpeg was seen to take certain formats, kept in the user's cache: no later daemon tries them at its start.

A file without content, named after all that the trial depends on. It may be lost or removed at any time: then the
formats are tried again.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from actors.ffmpeg.binary import FFmpeg


def default_cache() -> Path:
    """`rushes` in the user's cache folder (XDG Base Directory Specification). Raises RuntimeError without a home."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(cache) / "rushes"


def was_seen(ffmpeg: FFmpeg, formats: Mapping[str, Struct]) -> bool:
    """True where a trial of all these with this very FFmpeg went well."""
    with suppress(OSError, RuntimeError):
        return _mark(ffmpeg, formats).exists()
    return False


def remember(ffmpeg: FFmpeg, formats: Mapping[str, Struct]) -> None:
    """Say that one did. Where it cannot be kept, the next daemon tries for itself."""
    with suppress(OSError, RuntimeError):
        mark = _mark(ffmpeg, formats)
        mark.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark.touch()


def _mark(ffmpeg: FFmpeg, formats: Mapping[str, Struct]) -> Path:
    program = os.stat(ffmpeg.path)  # noqa: PTH116 # through links: a program of another day is another program
    what = repr((ffmpeg, program.st_size, program.st_mtime_ns, [*formats.items()]))
    return default_cache() / f"formats-{hashlib.sha256(what.encode(errors='surrogateescape')).hexdigest()[:32]}"
