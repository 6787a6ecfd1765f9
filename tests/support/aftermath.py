"""After a daemon's death at any step: the next one brings everything to rest, and that is looked at from outside.

One set of promises for all steps. What a test knows of its job it says in an `End`.
"""

import stat
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.doomed_daemon import DoomedDaemon
from tests.support.jobs import picture
from tests.support.processes import descendants_of, eventually
from tests.support.wire import PATIENCE, Dealer, Map, new_id

REMOVED = ("deleted", "expired")
ENDS = ("completed", "failed", "cancelled", *REMOVED)

NOTING = """\
#!/bin/sh
# Notes each encode. One that is `temper=slow-at-first` takes as long as its film, but only the first time; one that
# is `temper=held` begins when it is let go.
for word; do
  [ "$previous" = -progress ] && encodes=yes
  case $word in temper=slow-at-first) slow=yes ;; temper=held) held=yes ;; esac
  previous=$word
done
[ "$encodes" ] && echo "${{previous##*/}}" >>"$TEST_BASE/encodes"
if [ "$slow" ]; then
  name=${{previous##*/}}
  mkdir "$TEST_BASE/begun-${{name%-*}}" 2>/dev/null && exec '{ffmpeg}' -re "$@"
fi
[ "$held" ] && until [ -e "$TEST_BASE/let-go" ]; do sleep 0.02; done
exec '{ffmpeg}' "$@"
"""

BYSTANDERS = {"0-proxy.mp4": b"somebody's film", ".0.mp4": b"somebody's notes", "2.mp4": b"an earlier film"}
"""Files that no job made."""

SECONDS = 0.5
"""Of film in an output that is made at once."""


def make_noting(folder: Path, ffmpeg: Path) -> Path:
    """An FFmpeg, in `folder`, that keeps a list of what it was to encode."""
    path = folder / "ffmpeg-that-notes"
    path.write_text(NOTING.format(ffmpeg=ffmpeg))
    path.chmod(0o755)
    return path


def film(
    daemon: DoomedDaemon, outputs: int = 1, *, seconds: float = SECONDS, pace: bool = False, **more: object
) -> Map:
    """A job with a name and a folder of its own, where others' files stand; with `pace` it takes so many seconds."""
    name = new_id()[:8]
    folder = daemon.out / name
    folder.mkdir()
    for bystander, content in BYSTANDERS.items():
        (folder / bystander).write_bytes(content)
    paths = [str(folder / f"{index}.mp4") for index in range(outputs)]
    made = [{"path": path, "args": ["-c:v", "mpeg4"]} for path in paths]
    return {"inputs": [picture(seconds, real_time=pace)], "outputs": made, "name": name, **more}


def slow_at_first(daemon: DoomedDaemon) -> Map:
    """A job of 30 s of film that is made in real time, but the second time in a moment."""
    job = film(daemon, seconds=30)
    job["outputs"][0]["args"] += ["-metadata", "temper=slow-at-first"]
    return job


def held(daemon: DoomedDaemon) -> str:
    """Queue a job whose child lives until it is let go; its id when that is there."""
    (daemon.base / "let-go").unlink(missing_ok=True)
    job = film(daemon)
    job["outputs"][0]["args"] += ["-metadata", "temper=held"]
    return daemon.underway(job)


def let_go(daemon: DoomedDaemon) -> None:
    """Whatever is held may go on to its end."""
    (daemon.base / "let-go").touch()


def half_done(daemon: DoomedDaemon) -> str:
    """Queue a job whose first output is made at once and whose second takes its time; its id when that one begins."""
    job = film(daemon, 2)
    job["outputs"][1]["inputs"] = [picture(600, real_time=True)]
    job_id: str = daemon.submit(job)["id"]
    daemon.event(job_id, "output_completed")
    daemon.child(job_id)
    return job_id


class Sent(NamedTuple):
    """A command that a daemon died of. `early`: the reply, where it came before the death."""

    kind: str
    fields: Map
    early: Map | None

    def again(self, daemon: DoomedDaemon) -> Map:
        """Send it to the next daemon, which must say the same; the result."""
        reply = daemon.ask(self.kind, **self.fields)
        assert reply["ok"] is True, f"{self.kind}, sent again, was refused: {reply.get('error')}"
        assert self.early in (None, reply), f"{self.kind}, sent again, was answered {reply}"
        result: Map = reply["result"]
        return result


def die_of(daemon: DoomedDaemon, at: str, kind: str, **fields: object) -> Sent:
    """Send a command that the daemon dies of at that point, and start the next."""
    fields["id"] = command_id = new_id()
    early = None
    daemon.doom(at)
    with Dealer(daemon.bus) as dealer:
        dealer.send(kind, **fields)
        daemon.fall(at)
        if dealer.socket.poll(0):
            early = dealer.reply_to(command_id)
    daemon.start()
    return Sent(kind, fields, early)


def run_into(daemon: DoomedDaemon, at: str, kind: str, **fields: object) -> Map:
    """The same, and send the command again; its result."""
    return die_of(daemon, at, kind, **fields).again(daemon)


class End(NamedTuple):
    """What a job must have come to.

    `ends`: the ways in which it ended, in order. `attempts`: those of its own. `encodes`: how often FFmpeg was to
    make each output.
    """

    ends: tuple[str, ...] = ("completed",)
    attempts: int = 1
    encodes: tuple[int, ...] | None = (1,)
    why: tuple[str, ...] = ()


def assert_recovered(daemon: DoomedDaemon, job_id: str, end: End) -> None:
    """The job has ended as it must, everything is at rest, and nothing is lost, left, doubled or made up."""
    eventually(lambda: len(_ends(daemon, job_id)) >= len(end.ends), f"job {job_id} ends")
    status = daemon.result("status")
    assert (status["running"], status["queued"]) == (0, 0)
    _assert_history(daemon, job_id, end)
    if end.ends[-1] in REMOVED:
        assert daemon.refusal("get", job_id=job_id)["code"] == "not_found"
        assert not (daemon.data / "work" / job_id).exists()
        outputs = []
    else:
        view = daemon.view(job_id)
        _assert_view(view, end)
        outputs = view["outputs"]
    encodes = _encodes(daemon, job_id)
    assert end.encodes is None or encodes == end.encodes, f"the outputs were encoded {encodes} times"
    _assert_files(daemon, job_id, outputs)
    _assert_nobody(daemon)


def _ends(daemon: DoomedDaemon, job_id: str) -> list[str]:
    return [kind for kind in daemon.kinds(job_id) if kind in ENDS]


def _assert_history(daemon: DoomedDaemon, job_id: str, end: End) -> None:
    """Each step is told of once, whatever it was that died in the middle of it, and no number is left out."""
    seqs = [event["seq"] for event in daemon.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    told = daemon.events(job_id)
    kinds = [event["type"].removeprefix("job.") for event in told]
    assert [kind for kind in kinds if kind in ENDS] == list(end.ends), kinds
    assert kinds.count("submitted") == 1
    assert kinds[0] == "submitted"
    assert kinds[-1] == end.ends[-1], "after its end there is nothing more to tell"
    completed = Counter(event["data"]["index"] for event in told if event["type"] == "job.output_completed")
    assert set(completed.values()) <= {1}, f"outputs were completed twice: {kinds}"
    again = tuple(e["data"]["why"] for e in told if e["type"] == "job.requeued" and e["data"]["why"] != "recovery")
    assert again == end.why
    begun = Counter((e["data"]["index"], e["data"]["run"]) for e in told if e["type"] == "job.output_started")
    assert set(begun.values()) <= {1}, f"a run was begun twice: {kinds}"


def _assert_view(view: Map, end: End) -> None:
    assert (view["status"], view["attempts"], view["phase"]) == (end.ends[-1], end.attempts, None), view
    whole = [output for output in view["outputs"] if output["status"] == "completed"]
    assert view["completed_outputs"] == len(whole)
    assert view["status"] != "completed" or len(whole) == view["total_outputs"]
    assert (view["error"] is None) == (view["status"] != "failed")
    assert (view["cancel"] is None) == (view["status"] != "cancelled")


def _encodes(daemon: DoomedDaemon, job_id: str) -> tuple[int, ...]:
    """How often FFmpeg was to make each output, as far as it was at all."""
    noted = daemon.base / "encodes"
    names = [line for line in noted.read_text().splitlines() if job_id in line] if noted.exists() else []
    counted = Counter(name.split("-")[2] for name in names)
    return tuple(counted[index] for index in sorted(counted))


def _assert_files(daemon: DoomedDaemon, job_id: str, outputs: Sequence[Map]) -> None:
    """In the job's folder: its completed outputs, as its view says, and what was there before, as it was."""
    folder = daemon.out / daemon.event(job_id, "submitted")["data"]["name"]
    made = {Path(output["path"]).name: output["size"] for output in outputs if output["status"] == "completed"}
    found = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert found == {**made, **{name: len(content) for name, content in BYSTANDERS.items()}}
    assert {name: (folder / name).read_bytes() for name in BYSTANDERS} == BYSTANDERS
    work = (daemon.data / "work" / job_id).rglob("*")
    assert not [path for path in work if stat.S_ISFIFO(path.lstat().st_mode)], "a FIFO is left"


def _assert_nobody(daemon: DoomedDaemon) -> None:
    """No FFmpeg, shim or probe is left."""

    def others() -> Sequence[int]:
        return [found.pid for found in descendants_of(daemon.base) if found.pid not in daemon.pids]

    eventually(lambda: not others(), "no process is left but the daemon", PATIENCE / 3)
    assert not daemon.defects(), daemon.defects()
