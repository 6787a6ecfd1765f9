"""A real daemon as a process of its own, in its own folder, and the proof that it leaves nothing behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from actors.catalogue import CATALOGUE, keys_of
from tests.support.processes import (
    Process,
    descendants_of,
    eventually,
    group_members,
    kill_all,
    process,
)
from tests.support.wire import PATIENCE, Dealer, Listener, Map

MODULE = (sys.executable, "-P", "-m", "actors")
SCRIPT = (str(Path(sys.executable).parent / "rushes"), "serve")
"""The two ways to start the same daemon."""

START_SECONDS = 30
"""What a daemon that must not start may take to say so."""

DEFECT = re.compile(r'"level":"(error|critical)"')

ENDED = frozenset({"completed", "failed", "cancelled"})


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process' environment without any setting of Rushes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
    return {**kept, **(more or {})}


def refused_start(
    *words: str, program: Sequence[str] = MODULE, env: Mapping[str, str] | None = None
) -> tuple[int, list[str]]:
    """Start a daemon that must not start; its exit status and the lines it leaves on stderr."""
    run = subprocess.run(
        [*program, *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=START_SECONDS, check=False,
        env=clean_environment(env),
    )  # fmt: skip
    return run.returncode, run.stderr.splitlines()


OF_DOOMED = frozenset({"doomed", "fallen", "not_doomed"})
"""What a daemon says that is told at which step to die; it is no line of Rushes' own."""


def is_catalogued(line: str) -> bool:
    """True where a line of the log has a name, a level and keys that stand in the catalogue."""
    found = json.loads(line)
    if found["event"] in OF_DOOMED:
        return True
    entry = CATALOGUE.get(found["event"])
    return entry is not None and found["level"] == entry.level and found.keys() <= keys_of(found["event"])


class Child(NamedTuple):
    """The child of a running job: the shim that leads its group, and FFmpeg in it."""

    shim: Process
    ffmpeg: Process

    def members(self) -> list[Process]:
        """Who of its group still runs."""
        return group_members(self.shim.pid)


def child_note(record: Path) -> Map | None:
    """What the record of a run says of its child (`boot_id`, `pid`, `start`), None where it says nothing yet."""
    found = re.search(r"^child (\{.*\})$", record.read_text(), re.MULTILINE) if record.exists() else None
    return json.loads(found[1]) if found else None


def running_child(record: Path) -> Child | None:
    """The child that a run's record speaks of, None where it has not begun or has ended."""
    noted = child_note(record)
    shim = process(noted["pid"]) if noted else None
    if noted is None or shim is None or shim.started != noted["start"]:
        return None
    others = [one for one in group_members(shim.pid) if one.pid != shim.pid]
    return Child(shim, min(others, key=lambda one: one.pid)) if others else None


class Daemon:
    """One data folder and the daemons that serve it, one after the other.

    Args:
        options: what follows `--data` and `--bus` on the command line, by name: `slots`, `ffmpeg`, `grace`.
        bus: the bus address, else ipc in the data folder.
        program: how to start it.
        env: what it finds in its environment besides ours.
        told_by: whether its settings stand on the command line or in the environment.
        untold: the settings that it must find out itself.

    In `bus` and in the values of `env`, `{base}` stands for the folder that all its files are in.

    """

    def __init__(
        self,
        *,
        bus: str | None = None,
        program: Sequence[str] = MODULE,
        env: Mapping[str, str] | None = None,
        told_by: Literal["words", "environment"] = "words",
        untold: Collection[str] = (),
        **options: object,
    ) -> None:
        # Short, and not pytest's own: an ipc path has 107 bytes.
        self.base = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
        self.data = self.base / "data"
        self.out = self.base / "out"
        self.out.mkdir()
        self.bus = (bus or "ipc://{base}/data/bus").format(base=self.base)
        self.options = self._first_options = options
        self._program = program
        env = {name: value.format(base=self.base) for name, value in (env or {}).items()}
        self._env = {"TEST_BASE": str(self.base), **env}
        self._told_by = told_by
        self._untold = untold
        self._stderr = self.base / "stderr"
        self._running: subprocess.Popen[bytes] | None = None
        self._wire: Dealer | None = None

    # ------------------------------------------------------------ starting and ending

    def _settings(self) -> dict[str, str]:
        """What it is told, by the option's name."""
        all_ = {"data": self.data, "bus": self.bus, "log_format": "json", **self.options}
        return {name: str(value) for name, value in all_.items() if name not in self._untold}

    def command(self) -> list[str]:
        """The command line that starts it."""
        words = list(self._program)
        if self._told_by == "words":
            for name, value in self._settings().items():
                words += [f"--{name.replace('_', '-')}", value]
        return words

    def environment(self) -> dict[str, str]:
        """The environment that it starts in."""
        told = self._settings() if self._told_by == "environment" else {}
        return clean_environment({**self._env, **{f"RUSHES_{name.upper()}": told[name] for name in told}})

    def launch(self) -> None:
        """Start it, without waiting until it answers."""
        assert self._running is None, "it runs already"
        with self._stderr.open("ab") as stderr:
            self._running = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=self.environment(),
                cwd=self.base,
            )

    def start(self, **options: object) -> None:
        """Start it, with other options where some are given, and wait until it answers."""
        self.options = {**self.options, **options}
        self.launch()
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until it answers."""
        self._disconnect()
        try:
            eventually(lambda: self.ask("status")["ok"], "the daemon answers")
        except TimeoutError as error:
            raise AssertionError(f"{error}: {self.stderr()}") from error

    def running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    @property
    def pid(self) -> int:
        assert self._running is not None, "it does not run"
        return self._running.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def ended(self) -> int:
        """Wait for its end; its exit status."""
        assert self._running is not None, "it does not run"
        status = self._running.wait(PATIENCE)
        self._running = None
        self._disconnect()
        return status

    def kill9(self) -> None:
        """End it as a power cut would. Its children live on."""
        self.signal(signal.SIGKILL)
        self.ended()

    def terminate(self) -> int:
        """SIGTERM; its exit status."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def restart(self, **options: object) -> None:
        """Kill it and start it again."""
        self.kill9()
        self.start(**options)

    def close(self) -> None:
        """End it and take the folder away; whatever it left behind is an error."""
        try:
            by_itself = self._ended_by_itself()
            status = self.terminate() if self.running() else 0
            self._disconnect()
            left = self._await_nobody()
            partial = sorted(self.base.glob("**/.rushes-*"))
            assert by_itself is None, f"the daemon ended by itself with {by_itself}: {self.stderr()}"
            assert status == 0, f"the daemon ended with {status} on SIGTERM: {self.stderr()}"
            assert not left, f"the daemon left processes behind: {left}"
            assert not partial, f"the daemon left partial files behind: {partial}"
            assert not self.defects(), f"the daemon's log tells of defects: {self.defects()}"
        finally:
            self._disconnect()
            kill_all(descendants_of(self.base))
            shutil.rmtree(self.base)

    def abandon(self) -> Path:
        """End all that runs at once, and leave the folder for a look."""
        if self.running():
            self.kill9()
        self._disconnect()
        kill_all(descendants_of(self.base))
        return self.base

    def _ended_by_itself(self) -> int | None:
        """Its exit status, where it ended and nobody waited for that."""
        return None if self._running is None else self._running.poll()

    def _await_nobody(self) -> list[Process]:
        """Who is still there once there was time to end: a killed process needs a moment."""
        try:
            eventually(lambda: not descendants_of(self.base), "nobody left", timeout=10)
        except AssertionError:
            return descendants_of(self.base)
        return []

    def _disconnect(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    # ------------------------------------------------------------ talking to it

    @property
    def wire(self) -> Dealer:
        """The connection that `ask` uses."""
        if self._wire is None:
            self._wire = Dealer(self.bus, self.running)
        return self._wire

    def ask(self, kind: str, **fields: Any) -> Map:
        return self.wire.ask(kind, **fields)

    def result(self, kind: str, **fields: Any) -> Map:
        return self.wire.result(kind, **fields)

    def refusal(self, kind: str, **fields: Any) -> Map:
        return self.wire.refusal(kind, **fields)

    def submit(self, job: Map, **fields: Any) -> Map:
        """Queue a job; its view."""
        view: Map = self.result("submit", job=job, **fields)["job"]
        return view

    def view(self, job_id: str) -> Map:
        view: Map = self.result("get", job_id=job_id)["job"]
        return view

    def outcome(self, job_id: str) -> Map:
        """The job's view once it has ended."""
        view: Map = self.result("get", job_id=job_id, wait=PATIENCE)["job"]
        assert view["status"] in ENDED, f"job {job_id} has not ended after {PATIENCE} s: {view}"
        return view

    def finish(self, job: Map) -> Map:
        """Queue a job; its view once it has ended."""
        return self.outcome(self.submit(job)["id"])

    def underway(self, job: Map) -> str:
        """Queue a job; its id once it has a child, which may be about to begin."""
        job_id: str = self.submit(job)["id"]
        self.child(job_id)
        return job_id

    def rendering(self, job: Map) -> str:
        """Queue a job; its id once FFmpeg renders, or has done so: a short film may be over before anybody looks."""
        job_id: str = self.submit(job)["id"]
        self.event(job_id, "output_started")
        return job_id

    def events(self, job_id: str | None = None, since: int = 0) -> list[Map]:
        """The durable events after `since`, as the store has them."""
        events: list[Map] = self.result("events", since=since, job_id=job_id)["events"]
        return events

    def kinds(self, job_id: str) -> list[str]:
        """What happened to a job, in order, without the `job.`."""
        return [str(event["type"]).removeprefix("job.") for event in self.events(job_id)]

    def stages(self, job_id: str) -> list[str]:
        """The steps of the stop ladder that were taken on a job."""
        return [event["data"]["stage"] for event in self.events(job_id) if event["type"] == "job.signalled"]

    def event(self, job_id: str, kind: str) -> Map:
        """The first event of that kind in a job's history, once it is there."""

        def look() -> Map | None:
            return next((event for event in self.events(job_id) if event["type"] == f"job.{kind}"), None)

        found = eventually(look, f"a job.{kind} of {job_id}")
        assert found is not None
        return found

    def listener(self, topic: str = "") -> Listener:
        return Listener(self.bus, topic)

    def reset(self) -> None:
        """Make it again what it was: running, with its first options, with nothing to do."""
        by_itself = self._ended_by_itself()
        if by_itself is not None:
            self._running = None
        if self.running() and not (self.options == self._first_options and self.clear()):
            self.kill9()
        if not self.running():
            self.start(**self._first_options)
            assert self.clear(), "the daemon does not let go of its jobs"
        assert by_itself is None, f"the daemon ended by itself with {by_itself}"

    def clear(self) -> bool:
        """Take away what still waits or runs; whether nothing is left."""
        if self.result("status")["draining"]:
            self.ask("resume")
        active = self.result("list", status=["queued", "processing"], limit=1000)["jobs"]
        asked = [self.wire.send("delete", job_id=job["id"], force=True, wait=PATIENCE) for job in active]
        for command_id in asked:
            self.wire.reply_to(command_id, 2 * PATIENCE)
        return not self.result("list", status=["queued", "processing"])["jobs"]

    # ------------------------------------------------------------ what it shows besides the bus

    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace") if self._stderr.exists() else ""

    def log(self) -> list[Map]:
        """Its log so far, one map a line."""
        return [json.loads(line) for line in self.stderr().splitlines() if line.strip()]

    def defects(self) -> list[str]:
        """The lines on its stderr that no daemon in order writes: errors, and what its log has no entry for."""
        lines = [line for line in self.stderr().splitlines() if line.strip()]
        return [line for line in lines if not line.startswith("{") or DEFECT.search(line) or not is_catalogued(line)]

    def children(self) -> dict[str, Child]:
        """The children that run now, by the job that they work for."""
        found = {}
        for folder in sorted((self.data / "work").iterdir()):
            with suppress(FileNotFoundError):  # the job is deleted in this moment
                for child in filter(None, map(running_child, folder.glob("*/record"))):
                    found[folder.name] = child
        return found

    def child(self, job_id: str) -> Child:
        """The child that now works for a job."""

        def look() -> Child | None:
            found = map(running_child, sorted((self.data / "work" / job_id).glob("*/record")))
            return next((child for child in found if child is not None), None)

        found = eventually(look, f"a child of job {job_id}")
        assert found is not None
        return found


@contextmanager
def serving(**options: Any) -> Iterator[Daemon]:
    """A daemon that answers, and is gone afterwards."""
    daemon = Daemon(**options)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.close()
