"""Who takes part, where their folders are, and how much is measured of each."""

import itertools
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.bench.ours import Rushes
from tests.bench.peers import CANCELLING, FLOORS, PEERS
from tests.bench.peers.base import Peer
from tests.bench.stub import Stub
from tests.support.processes import descendants_of, kill_all

T = TypeVar("T")

QUICK = 10
"""By how much `--quick` divides what is measured."""

AT_LEAST = 20
"""Below that a median says little."""


class Bench:
    """One run of the bench. `left_out`: why a peer takes no part, by its name.

    Args:
        folder: on a real disk; everything is made in it.
        ffmpeg: the real one.
        quick: a tenth of the work, to see that everything runs.

    """

    def __init__(self, folder: Path, ffmpeg: Path, *, quick: bool) -> None:
        self.folder = folder
        self.ffmpeg = ffmpeg
        self.quick = quick
        self.stub = Stub(folder)
        self.left_out = {cls.name: why for cls in (*FLOORS, *CANCELLING, *PEERS) if (why := cls.missing())}
        self.floors = self._there(FLOORS)
        self.peers = self._there(PEERS)
        self.cancelling = self._there(CANCELLING)
        self._numbers = itertools.count()

    def _there(self, classes: Sequence[type[Peer]]) -> list[type[Peer]]:
        return [cls for cls in classes if cls.name not in self.left_out]

    def count(self, wanted: int) -> int:
        """How often something is measured."""
        return max(min(wanted, AT_LEAST), wanted // QUICK) if self.quick else wanted

    def room(self, name: str) -> Path:
        """A new, empty folder."""
        made = self.folder / f"{next(self._numbers)}-{name}"
        made.mkdir()
        return made

    def say(self, what: str) -> None:
        """Tell on stderr how far it is."""
        print(what, file=sys.stderr, flush=True)

    def make(self, cls: type[Peer], program: Path) -> Peer:
        """One of those who take part, not yet started, which is to run `program`."""
        folder = self.room("".join(filter(str.isalnum, cls.name)))
        return Rushes(folder, program) if cls is Rushes else cls(folder)

    @contextmanager
    def taking_part(self, cls: type[Peer], program: Path, workers: int) -> Iterator[Peer]:
        """One of those who take part, started; afterwards nothing of it runs.

        Its files stay to the end: for minutes an ext4 that has removed many is slow to make new ones.
        """
        peer = self.make(cls, program)
        try:
            try:
                peer.start(workers)
                yield peer
            finally:
                peer.stop()
        finally:
            kill_all(descendants_of(peer.folder))

    def each(
        self, classes: Sequence[type[Peer]], measure: Callable[[type[Peer]], T]
    ) -> tuple[dict[str, T], dict[str, str]]:
        """What was measured of each, in turn, and why nothing was of those that failed, both by name.

        Raises whatever goes wrong with Rushes: without it there is nothing to show.
        """
        found, failed = {}, {}
        for cls in classes:
            self.say(f"    {cls.name}")
            try:
                found[cls.name] = measure(cls)
            except Exception as error:
                if cls is Rushes:
                    raise
                failed[cls.name] = f"failed: {type(error).__name__}: {error}"[:SHOWN_CHARS]
                self.say(f"      {failed[cls.name]}")
        return found, failed


SHOWN_CHARS = 300
"""Of what an error says."""


def clear(folder: Path) -> None:
    """End whatever still works for a folder, and take it away."""
    kill_all(descendants_of(folder))
    shutil.rmtree(folder, ignore_errors=True)


def waves(classes: Sequence[type[Peer]]) -> list[list[type[Peer]]]:
    """Those who may be driven side by side: of one library's two only one, since libraries keep things in globals."""
    by_module: dict[str, list[type[Peer]]] = {}
    for cls in classes:
        by_module.setdefault(cls.__module__, []).append(cls)
    rounds = itertools.zip_longest(*by_module.values())
    return [[cls for cls in wave if cls is not None] for wave in rounds]
