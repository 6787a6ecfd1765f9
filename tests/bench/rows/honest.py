"""Encodes that others are to run, and what is true of them: which FFmpegs live, and which files there are.

They are paced (`-re`) and small, so that many run side by side and cost next to nothing: what is looked at is what
happens, not how fast.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.bench.lineup import SHOWN_CHARS, Bench, waves
from tests.bench.ours import QUIETLY, Rushes
from tests.bench.peers.base import Peer
from tests.support.processes import eventually

ENCODE_SECONDS = 60
"""Much longer than anybody looks."""

BEGIN_SECONDS = 20
"""What it may take until a peer's FFmpegs run."""

WATCH_SECONDS = 5.0
"""For which what follows a cancel or a crash is watched."""


class Task:
    """One encode, in a folder of its own, and what came of it.

    `at`: when it was seen to run, or was cancelled. `before` and `after`: its FFmpegs before and after a crash, `most`
    how many of them lived at once. `trouble`: why nothing came of it.
    """

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.peer = peer
        self.folder = folder
        self.id = ""
        self.at = 0.0
        self.gone = False
        self.says = ""
        self.trouble = ""
        self.left: list[str] = []
        self.before: set[int] = set()
        self.after: set[int] = set()
        self.most = 0
        self.encoded = 0.0
        self.orphaned = False

    def submit(self, ffmpeg: Path) -> None:
        """Have the peer run it."""
        picture = f"testsrc=size=160x90:rate=10:duration={ENCODE_SECONDS}"
        argv = [ffmpeg, *QUIETLY, "-re", "-f", "lavfi", "-i", picture, "-c:v", "mpeg4"]
        self.id = self.peer.submit([*map(str, argv), str(self.folder / "film.mkv")])

    def files(self) -> list[str]:
        """What there is of its output, under whatever name."""
        return sorted(file.name for file in self.folder.iterdir())

    def ask(self) -> str:
        """What the peer says of it."""
        try:
            return self.peer.state(self.id)
        except NotImplementedError:
            return "(nothing)"
        except Exception as error:  # noqa: BLE001 # a peer that fails over its own question says so
            return f"({type(error).__name__})"

    def cancel(self) -> str | None:
        """Cancel it as the peer does; why that was not to be had."""
        try:
            self.peer.cancel(self.id)
        except NotImplementedError:
            return "(has no cancel)"
        except Exception as error:  # noqa: BLE001 # a cancel that fails ends nothing, and says so
            return f"({type(error).__name__}: {error})"[:SHOWN_CHARS]
        return None


class FFmpegs:
    """The living FFmpegs of all tasks, from one look through /proc. A shell or a worker that names one is none."""

    def __init__(self, ffmpeg: Path) -> None:
        program = str(ffmpeg.resolve())
        self._found: dict[str, set[int]] = defaultdict(set)
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if str((entry / "exe").readlink()) == program:
                        self._note(int(entry.name), (entry / "cmdline").read_text(errors="replace"))
                except OSError:
                    continue  # it has ended meanwhile, or is not ours

    def _note(self, pid: int, words: str) -> None:
        for folder in re.findall(r"[^\0]*/task-\d+-\d+(?=/)", words):
            self._found[folder].add(pid)

    def of(self, task: Task) -> set[int]:
        """The pids of those that work for a task."""
        return set(self._found[str(task.folder)])


def play(
    bench: Bench, classes: Sequence[type[Peer]], count: int, watch: Callable[[Bench, Sequence[Task]], None]
) -> tuple[dict[str, list[Task]], dict[str, str]]:
    """What `watch` made of Rushes' and everybody's running encodes, and why nothing came of those that failed, by name.

    Each has `count` of them, and as many workers. Those of different libraries are driven side by side: they only wait.
    """
    played: dict[str, list[Task]] = {}
    failed: dict[str, str] = {}
    for wave in waves([Rushes, *bench.floors, *classes]):
        bench.say(f"    {', '.join(cls.name for cls in wave)}")
        try:
            with ExitStack() as stack:
                tasks: list[Task] = []
                for cls in wave:
                    try:
                        peer = stack.enter_context(bench.taking_part(cls, bench.ffmpeg, count))
                        tasks += _begin(bench, peer, count)
                    except Exception as error:  # noqa: BLE001 # the others go on
                        failed[cls.name] = f"failed: {type(error).__name__}: {error}"[:SHOWN_CHARS]
                watch(bench, tasks)
                for task in tasks:
                    if task.trouble:
                        failed[task.peer.name] = task.trouble[:SHOWN_CHARS]
                    else:
                        played.setdefault(task.peer.name, []).append(task)
        except Exception as error:  # noqa: BLE001 # the other waves go on
            why = f"failed: {type(error).__name__}: {error}"[:SHOWN_CHARS]
            bench.say(f"      {why}")
            unseen = [cls.name for cls in wave if cls.name not in played]
            # Where all were seen, somebody left something behind, and says who.
            failed |= dict.fromkeys(unseen or ["at the end"], why)
    assert Rushes.name in played, failed[Rushes.name]
    everybody: list[type[Peer]] = [Rushes, *bench.floors, *classes]
    return {cls.name: played[cls.name] for cls in everybody if cls.name in played}, failed


def _begin(bench: Bench, peer: Peer, count: int) -> list[Task]:
    """So many encodes of one peer, of each of which an FFmpeg runs."""
    room = bench.room("tasks")
    tasks = []
    for number in range(count):
        folder = room / f"task-{room.name.partition('-')[0]}-{number}"
        folder.mkdir()
        tasks.append(Task(peer, folder))
        tasks[-1].submit(bench.ffmpeg)

    def all_run() -> bool:
        found = FFmpegs(bench.ffmpeg)
        return all(found.of(task) for task in tasks)

    eventually(all_run, f"{count} FFmpegs of {peer.name} run", BEGIN_SECONDS)
    now = time.monotonic()
    for task in tasks:
        task.at = now
    return tasks
