"""`rushes demo`, the first that a newcomer sees, holds with the FFmpeg of the machine, be it some years old."""

import struct
import subprocess
from pathlib import Path

from cli.demo_checks import picture_size
from tests.support.daemon import clean_environment
from tests.support.shell import DONE, RUSHES
from tests.support.wire import PATIENCE

OLD_FFMPEG = """#!/bin/sh
case " $* " in *" -readrate "*) echo "Unrecognized option 'readrate'." >&2; exit 1 ;; esac
exec "{ffmpeg}" "$@"
"""
"""One of the days before 5.1."""


def test_the_demo_holds_with_an_ffmpeg_of_some_years_ago(tmp_path: Path, ffmpeg: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text(OLD_FFMPEG.format(ffmpeg=ffmpeg))
    program.chmod(0o755)
    demo = subprocess.run(
        [RUSHES, "demo"], env=clean_environment({"RUSHES_FFMPEG": str(program)}), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=4 * PATIENCE, check=False,
    )  # fmt: skip
    assert demo.returncode == DONE, demo.stdout + demo.stderr
    marks = [line[0] for line in demo.stdout.splitlines() if line.startswith(("✓", "✗"))]
    assert marks == ["✓"] * len(marks) != []


def test_a_picture_has_its_size_where_its_pixels_are_not_square(tmp_path: Path, ffmpeg: Path) -> None:
    file = tmp_path / "480p.mp4"
    graph = "testsrc=size=1280x720:duration=0.2,scale=854:480"
    words: list[str | Path] = [ffmpeg, "-v", "error"]
    words += ["-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", "sine=duration=0.2"]
    subprocess.run([*words, "-c:v", "mpeg4", "-c:a", "aac", file], check=True)
    assert picture_size(file) == (854, 480)
    as_new = file.read_bytes()
    as_by_5_1 = as_new.replace(
        struct.pack(">II", 854 << 16, 480 << 16), struct.pack(">II", (854 << 16) * 1280 // 1281, 480 << 16)
    )
    file.write_bytes(as_by_5_1)
    assert picture_size(file) == (854, 480)
