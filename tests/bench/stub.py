"""The stub encoder: compiled on the spot, or a shell script where there is no compiler; and the stamps that it leaves.

What it makes is no film, so Rushes' jobs with it say `verify: "none"`. The command is the same for everybody.
"""

import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("stub.c")

SCRIPT = """\
#!/bin/sh
read -r up rest </proc/uptime
[ "$*" = -version ] && echo 'ffmpeg version 9.0-stub' && exit 0
stamp= progress=
for word; do
  [ "$previous" = -progress ] && progress=${word#file:}
  case $word in stamp=*) stamp=${word#stamp=} ;; esac
  previous=$word
done
[ "$stamp" ] || exit 1
printf '%020d\\n' "${up%.*}${up#*.}0000000" >>"$stamp" && echo stub >"$previous" || exit 1
[ -z "$progress" ] || echo progress=end >>"$progress"
"""
"""The same as stub.c, but for its clock, which ticks every 10 ms."""

STAMP_BYTES = 21
"""One line of the stamp file: 20 digits and a newline."""


class Stub:
    """The compiled stub in `folder`. `is_exact`: its stamps are good for milliseconds."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "stub"
        self.is_exact = any(self._compile(*how) for how in (("-static",), ()))
        if not self.is_exact:
            self.path.write_text(SCRIPT)
            self.path.chmod(0o755)

    def _compile(self, *how: str) -> bool:
        """Without a dynamic linker it costs half as much, so that more of what is measured is the manager's own."""
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            return False
        done = subprocess.run(
            [compiler, "-O2", *how, "-o", self.path, SOURCE], capture_output=True, check=False
        )  # fmt: skip
        return done.returncode == 0

    def commands(self, folder: Path, count: int) -> tuple[Path, list[list[str]]]:
        """So many runs in `folder`, and the file there that all of them note their beginnings in."""
        stamps = folder / "stamps"
        stamps.touch()
        return stamps, commands(self.path, stamps, folder, count)


def commands(program: Path, stamps: Path, folder: Path, count: int, name: str = "") -> list[list[str]]:
    """So many runs, each with an output of its own in `folder`."""
    head = [str(program), "-f", "lavfi", "-i", "color", "-metadata", f"stamp={stamps}"]
    return [[*head, str(folder / f"{name}{number}.mkv")] for number in range(count)]


def begun(stamps: Path) -> int:
    """How many runs have begun."""
    return stamps.stat().st_size // STAMP_BYTES


def last_beginning(stamps: Path) -> float:
    """When the last run began: seconds of CLOCK_MONOTONIC, as `time.monotonic` counts them."""
    return int(stamps.read_bytes()[-STAMP_BYTES:]) / 1e9
