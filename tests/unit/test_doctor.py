"""The doctor's readings of what the kernel says; the rest is tested on real machines in tests/acceptance."""

from pathlib import Path

import pytest

from actors.doctor import cgroup, filesystem, service
from actors.doctor.finding import clean, milliseconds, size
from actors.doctor.service import place

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /srv rw - nfs4 nas.lan:/export\\040one rw,vers=4.2
31 30 254:1 / /srv/local\\040disk rw - xfs /dev/vdb rw
32 31 0:40 / /srv/local\\040disk rw - tmpfs tmpfs rw
33 22 0:41 / /srv2 rw shared:3 master:4 - overlay overlay rw
"""


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO)
    monkeypatch.setattr(filesystem, "MOUNTS", file)


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/var/lib/rushes", "ext4"), ("/srv/rushes", "nfs4"), ("/srv/local disk/rushes", "tmpfs"), ("/srv2", "overlay")],
)
def test_a_folder_is_on_the_mount_nearest_above_it_and_there_on_the_last(folder: str, kind: str) -> None:
    assert filesystem.mount_of(Path(folder)).kind == kind


@pytest.mark.usefixtures("mounts")
def test_a_store_on_another_machine_or_in_memory_is_a_warning() -> None:
    remote = filesystem.filesystem(Path("/srv/rushes"))
    assert (remote.state, remote.message) == (
        "warn", "/srv/rushes is on nfs4 (nas.lan:/export one), over the network: no store is safe there",
    )  # fmt: skip
    assert "after a reboot" in filesystem.filesystem(Path("/srv/local disk")).message
    assert "goes with the container" in filesystem.filesystem(Path("/srv2")).message
    assert filesystem.filesystem(Path("/var/lib")).state == "ok"


def test_the_smallest_limit_of_the_groups_above_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "ROOT", tmp_path)
    monkeypatch.setattr(cgroup, "group_of", lambda _pid: "/system.slice/rushes.service")
    inner = tmp_path / "system.slice/rushes.service"
    inner.mkdir(parents=True)
    assert cgroup.least("memory.max", None) is None
    (inner / "memory.max").write_text("max\n")
    assert cgroup.least("memory.max", None) is None
    (inner.parent / "memory.max").write_text("1000\n")
    assert cgroup.least("memory.max", None) == 1000
    (inner / "memory.max").write_text("2000\n")
    assert cgroup.least("memory.max", None) == 1000


def test_who_looks_after_a_daemon_is_read_from_its_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LINGER", tmp_path)
    assert place("/system.slice/rushes.service").message == "the daemon runs as rushes.service"
    ends = place("/user.slice/user-0.slice/user@0.service/app.slice/rushes.service")
    assert (ends.state, ends.remedy) == ("warn", "loginctl enable-linger root")
    (tmp_path / "root").touch()
    assert place("/user.slice/user-0.slice/user@0.service/app.slice/rushes.service").state == "ok"
    assert place("/user.slice/user-1000.slice/session-3.scope").state == "warn"
    assert place("/").state == "ok"


def test_what_a_line_holds_stays_on_it() -> None:
    assert clean("a\nb\x1b[2J\x9b\udcff\u202e") == "a\\u000ab\\u001b[2J\\u009b\\udcff\\u202e"
    assert clean("Ünïcödé 片") == "Ünïcödé 片"


def test_sizes_and_times_are_short() -> None:
    assert [size(count) for count in (0, 999, 1500, 123_456_789, 2e12)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "123 MB",
        "2.0 TB",
    ]
    assert [milliseconds(seconds) for seconds in (0.0002134, 0.0351, 2.5)] == ["0.21 ms", "35 ms", "2500 ms"]
