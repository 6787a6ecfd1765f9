"""Real parts in this process: a short folder for the sockets, a quiet log, a Queue turned by hand."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from actors import logs
from actors.ffmpeg.child import Child
from actors.ffmpeg.workspace import Workspace
from tests.integration.children import PARTIAL, Spawn, await_end
from tests.integration.parts import IN_MEMORY, Counter, Switchboard
from tests.support.processes import eventually


@pytest.fixture(scope="session", autouse=True)
def log() -> None:
    """The log as the daemon has it: a line with an unknown name is an error."""
    logs.configure("json", "info")


@pytest.fixture
def own_log(log: None) -> Iterator[None]:
    """For a test that sets up the log itself; afterwards it is again as for all."""
    of_all, writers = structlog.get_config(), logs._writers[:]
    logs._writers.clear()
    yield
    logs.close()
    structlog.configure(**of_all)
    logs._writers.extend(writers)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: an ipc path has 107 bytes. In memory, where an fsync costs nothing."""
    path = Path(tempfile.mkdtemp(prefix="r", dir=IN_MEMORY))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def switchboard(folder: Path) -> Iterator[Switchboard]:
    """A hub on an ipc address."""
    with Switchboard(f"ipc://{folder}/bus") as found:
        yield found


@pytest.fixture
def counter(folder: Path) -> Iterator[Counter]:
    """A Queue without a free slot: what is submitted waits."""
    found = Counter(folder)
    yield found
    found.close()


@pytest.fixture
def busy_counter(folder: Path) -> Iterator[Counter]:
    """A Queue with one slot: the first job runs."""
    found = Counter(folder, slots=1)
    yield found
    found.close()


@pytest.fixture
def two_slots(folder: Path) -> Iterator[Counter]:
    """A Queue with two slots."""
    found = Counter(folder, slots=2)
    yield found
    found.close()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Of one run; with a FIFO in which a script says that it is ready."""
    found = Workspace.of(tmp_path, "job", 1, 0)
    found.prepare(PARTIAL)
    os.mkfifo(found.folder / "ready")
    return found


@pytest.fixture
def spawn(workspace: Workspace) -> Iterator[Spawn]:
    """Starts a script as FFmpeg; at the end its whole group is gone."""
    children: list[Child] = []

    def start(script: str) -> Child:
        child = Child.spawn(["/bin/sh", "-c", script], workspace)
        children.append(child)
        return child

    yield start
    for child in children:
        child.signal(signal.SIGKILL)
        await_end(child)
        child.reap()
        eventually(child.is_empty, "the group is empty")
        child.close()
