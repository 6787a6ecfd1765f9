"""FFmpegs that misbehave in exactly one way, and only when they are to encode: else each is the real one."""

from pathlib import Path

PRELUDE = """\
#!/bin/sh
FFMPEG='{ffmpeg}'
HERE='{here}'
case " $* " in *" -progress "*) ;; *) exec "$FFMPEG" "$@" ;; esac
previous=
for word; do
  [ "$previous" = -progress ] && progress=${{word#file:}}
  previous=$word
done
output=${{previous#file:}}
"""

BEHAVIOURS = {
    "stubborn": """\
trap '' TERM INT
sleep 1000 &
while :; do sleep 1000; done
""",
    "deaf": """\
exec sleep 1000
""",
    "chatty": """\
yes 'this line is one of very many that nobody asked for' | head -c 100000000 >&2
exec "$FFMPEG" "$@"
""",
    "dying": """\
echo 'this is the reason' >&2
exit 1
""",
    "crashing": """\
kill -s SEGV $$
""",
    "idle": """\
exit 0
""",
    "lying": """\
echo 'this is no film' >"$output"
echo 'progress=end' >>"$progress"
exit 0
""",
    "flaky": """\
if mkdir "$HERE/has-failed" 2>/dev/null; then exit 1; fi
exec "$FFMPEG" "$@"
""",
    "doomed": """\
until [ -e "$HERE/fail-now" ]; do sleep 0.05; done
echo 'this is the reason' >&2
exit 1
""",
    "recording": """\
printf '%s\\n' "$output" >>"$HERE/runs"
exec "$FFMPEG" "$@"
""",
}
"""What each does once it is to encode."""


def fake_ffmpeg(behaviour: str, folder: Path, ffmpeg: Path) -> Path:
    """A program in `folder` that behaves so, and else runs `ffmpeg`."""
    path = folder / f"ffmpeg-{behaviour}"
    path.write_text(PRELUDE.format(ffmpeg=ffmpeg, here=folder) + BEHAVIOURS[behaviour])
    path.chmod(0o755)
    return path


def recorded_runs(folder: Path) -> list[str]:
    """The output file of each run of the `recording` FFmpeg in `folder`, in order."""
    path = folder / "runs"
    return path.read_text().splitlines() if path.exists() else []
