"""An FFmpeg that notes each encode, and the notes: what was rendered, how often, and whether twice at once."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

NOTING = """\
#!/bin/sh
for output; do
  [ "$previous" = -progress ] && encodes=yes
  previous=$output
done
if [ "$encodes" ] && [ "$PWD" != "$TEST_BASE" ]; then
  echo "$PWD" >>"$TEST_BASE/encodes"
  exec 9>"$TEST_BASE/lock${{output##*/}}"
  flock --nonblock 9 || echo "$PWD" >>"$TEST_BASE/twice"
fi
exec '{program}' "$@"
"""
"""A format is tried in the folder of the daemon itself, and is nobody's encode. Else the shim has made the run's own
folder the working folder: its name says which run of which job this is. The lock
is on the output, and is held until the last process of the group has ended."""


class Encode(NamedTuple):
    """One start of FFmpeg: that output in the `run`th start of a job."""

    job_id: str
    run: int
    output: int


def make_noting(folder: Path, program: Path) -> Path:
    """A program in `folder` that notes each encode and goes on as `program`."""
    path = folder / "noting-ffmpeg"
    path.write_text(NOTING.format(program=program))
    path.chmod(0o755)
    return path


def noted(base: Path) -> Counter[Encode]:
    """How often each encode of the daemon in `base` was begun."""
    return Counter(_encodes(base / "encodes"))


def noted_twice_at_once(base: Path) -> list[Encode]:
    """The encodes that began while another of the same output ran."""
    return list(_encodes(base / "twice"))


def _encodes(path: Path) -> Iterable[Encode]:
    for line in path.read_text().splitlines() if path.exists() else ():
        folder = Path(line)
        run, _, index = folder.name.partition("-")
        yield Encode(folder.parent.name, int(run), int(index))
