"""An FFmpeg with a temper: a job says in its arguments how it shall misbehave, in exactly one way.

Without a temper, or asked for anything but to encode, it is the real one.
"""

from pathlib import Path

from tests.support.wire import Map

BEFORE = """\
#!/bin/sh
FFMPEG='{ffmpeg}'
temper=
for word; do
  [ "$previous" = -progress ] && progress=${{word#file:}}
  case $word in temper=*) temper=${{word#temper=}} ;; esac
  previous=$word
done
[ "$progress" ] || exec "$FFMPEG" "$@"
output=$previous
case $temper in
"""

TEMPERS = {
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
    "bursting": """\
echo 'these are the first words' >&2
until [ -e "$TEST_BASE/burst-now" ]; do sleep 0.05; done
yes 'this line is one of very many that nobody asked for' | head -c 20000000 >&2
exec "$FFMPEG" "$@"
""",
    "commanding": """\
printf '\\033[2Jcalm\\033]0;owned\\007 words\\n' >&2
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
    "parental": """\
(trap '' TERM; exec sleep 1000) &
exec "$FFMPEG" "$@"
""",
    "flaky": """\
name=${output##*/}
if mkdir "$TEST_BASE/failed-${name%-*}" 2>/dev/null; then exit 1; fi
exec "$FFMPEG" "$@"
""",
    "doomed": """\
until [ -e "$TEST_BASE/fail-now" ]; do sleep 0.05; done
echo 'this is the reason' >&2
exit 1
""",
    "held": """\
until [ -e "$TEST_BASE/let-go" ]; do sleep 0.05; done
exec "$FFMPEG" "$@"
""",
    "held-and-cut-off": """\
until [ -e "$TEST_BASE/let-go" ]; do sleep 0.05; done
"$FFMPEG" "$@" && printf 'these words end in the midd' >&2
exit
""",
    "clogged": """\
mkfifo "$TEST_BASE/clogged-$$" && exec 9<>"$TEST_BASE/clogged-$$"
exec yes 'nobody reads this' >&9
""",
    "finishing": """\
echo '[mp4 @ 0x55d0] Starting second pass: moving the moov atom to the beginning of the file' >&2
echo 'the first part' >"$output"
for look in 1 2 3 4 5 6 7 8 9 10; do
  printf x | dd of="$output" conv=notrunc 2>/dev/null
  sleep 0.2
done
exec "$FFMPEG" "$@"
""",
    "stuck-finishing": """\
echo '[mp4 @ 0x55d0] Starting second pass: moving the moov atom to the beginning of the file' >&2
echo 'the first part' >"$output"
trap '' TERM
while :; do sleep 1000; done
""",
    "short": """\
exec "$FFMPEG" -y -t 0.2 "$@"
""",
    "noting": """\
echo "${output##*/}" >>"$TEST_BASE/runs"
exec "$FFMPEG" "$@"
""",
}
"""What each does once it is to encode. `$TEST_BASE` is the folder of the daemon's test."""

AFTER = """\
esac
exec "$FFMPEG" "$@"
"""


def make_temperamental(folder: Path, ffmpeg: Path) -> Path:
    """The program, in `folder`, that is else `ffmpeg`."""
    path = folder / "ffmpeg-with-a-temper"
    branches = "".join(f"{temper})\n{does};;\n" for temper, does in TEMPERS.items())
    path.write_text(BEFORE.format(ffmpeg=ffmpeg) + branches + AFTER)
    path.chmod(0o755)
    return path


def tempered(job: Map, temper: str) -> Map:
    """The same job, of which every output meets that temper."""
    assert temper in TEMPERS
    args = ["-metadata", f"temper={temper}"]
    return {**job, "outputs": [{**output, "args": [*output["args"], *args]} for output in job["outputs"]]}


def noted_runs(base: Path, job_id: str) -> int:
    """How often the `noting` one was run for a job of the daemon in `base`."""
    path = base / "runs"
    return path.read_text().count(f"-{job_id}-") if path.exists() else 0
