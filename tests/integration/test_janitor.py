"""The real Janitor, and what it answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.base import JANITOR, QUEUE
from actors.janitor import Janitor, JanitorSettings
from actors.jobs.model import FileIdentity
from actors.mail import FilesRemoved, LookAtFiles, OrphanedFolders, RemoveFiles, SweepDue, WorkFolders
from actors.watcher import Watcher
from tests.integration.parts import Letterbox, Switchboard
from tests.support.wire import Dealer


@pytest.fixture
def queue(folder: Path, switchboard: Switchboard) -> Iterator[Letterbox]:
    """In the place of the Queue, beside a Janitor whose store cannot be read: there is none."""
    found = switchboard.letterbox(QUEUE)  # before the Janitor begins: mail for nobody is lost
    watcher = Watcher(switchboard.hub, switchboard.failures.append)
    watcher.start()
    settings = JanitorSettings(folder, folder, min_free=0, backup_hours=0, backup_keep=0, is_checked=False)
    ref = Janitor.start(switchboard.hub, watcher, settings)
    yield found
    ref.stop()
    watcher.stop()


def test_what_cannot_be_swept_is_left_where_it_is(folder: Path, queue: Letterbox, switchboard: Switchboard) -> None:
    queue.mail(SweepDue)  # and the look at the store came before
    file = folder / "no-folder"
    file.touch()
    outbox = switchboard.hub.outbox()
    outbox.mail(JANITOR, OrphanedFolders(job_ids=["gone", file.name]))
    outbox.mail(JANITOR, RemoveFiles(job_id="after", files=[]))
    outbox.flush()
    outbox.close()
    assert queue.mail(FilesRemoved).job_id == "after"
    assert file.exists()


def test_one_clients_defect_is_no_other_clients_trouble(queue: Letterbox, switchboard: Switchboard) -> None:
    queue.mail(WorkFolders)
    with Dealer(switchboard.address) as client:
        for id_, path in (("defect", "/\0"), ("after", "/nowhere")):
            client.send("delete", id=id_, job_id="any", dry_run=True)
            look = LookAtFiles(files=[(path, FileIdentity(device=1, inode=1, size=1, mtime_ns=1))], partials=[])
            assert switchboard.hub.hand_over(JANITOR, queue.command()._replace(prepared=look)) == []
        assert client.reply_to("defect")["error"]["code"] == "internal"
        assert client.reply_to("after")["result"]["missing"] == ["/nowhere"]
