"""A daemon with a fault to live through: its log may tell of that fault, and of nothing else."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.daemon import Daemon
from tests.support.processes import eventually
from tests.support.wire import PATIENCE, Map

FILE_NAME = "rushes.sqlite3"
RESERVE_NAME = "reserve"


class Tried(Daemon):
    """A daemon that is put to the test.

    Args:
        expects: the names of the errors that its log may tell of.
        data_on: the folder, on a disk of its own, that its data are kept in.
        options: see `Daemon`.

    """

    def __init__(self, *, expects: Collection[str] = (), data_on: Path | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.expects = frozenset(expects)
        if data_on is not None:
            self.data.symlink_to(data_on)

    @property
    def store(self) -> Path:
        """Its SQLite file."""
        return self.data / FILE_NAME

    def heal(self) -> None:
        """Started again, it has nothing preloaded."""
        self._env = {name: value for name, value in self._env.items() if name != "LD_PRELOAD"}

    def defects(self) -> list[str]:
        """The lines that it should not have written, whatever it was put through."""
        return [line for line in super().defects() if self._name(line) not in self.expects]

    @staticmethod
    def _name(line: str) -> str:
        try:
            return str(json.loads(line)["event"])
        except ValueError:
            return line

    def lines(self, name: str) -> list[Map]:
        """What its log says under that name."""
        return [line for line in self.log_lines() if line["event"] == name]

    def log_lines(self) -> list[Map]:
        """Its log so far, without a line that is being written."""
        text = self.stderr()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.startswith("{")]

    def says(self, name: str, count: int = 1, timeout: float = PATIENCE) -> Map:
        """The `count`th line of that name, once it is there."""
        eventually(lambda: len(self.lines(name)) >= count, f"the log says {name} {count} times", timeout)
        return self.lines(name)[count - 1]

    def code(self, kind: str, **fields: Any) -> str:
        """How a command is answered: `ok`, or the refusal's code."""
        reply = self.ask(kind, **fields)
        return "ok" if reply["ok"] else str(reply["error"]["code"])

    def has_gapless_seq(self) -> bool:
        """True where its history lacks nothing, from the first event on."""
        last = self.result("status")["last_seq"]
        seqs: list[int] = []
        while events := self.events(since=len(seqs)):
            seqs += [event["seq"] for event in events]
        return len(seqs) >= last and seqs == list(range(1, len(seqs) + 1))


@contextmanager
def tried(*, before: Callable[[Tried], None] = lambda _: None, **options: Any) -> Iterator[Tried]:
    """Such a daemon, which answers, and is gone afterwards. `before`: what is done to it before it is started."""
    daemon = Tried(**options)
    try:
        before(daemon)
        daemon.start()
        yield daemon
    finally:
        print(daemon.stderr())  # what pytest shows of a test that failed
        daemon.close()
