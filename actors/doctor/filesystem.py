"""Which kind of filesystem a folder is on, and whether that is one for a store."""

import re
from pathlib import Path
from typing import NamedTuple

from actors.doctor.finding import Finding, ok, warn

MOUNTS = Path("/proc/self/mountinfo")

REMOTE = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "lustre", "gpfs", "beegfs", "ocfs2", "gfs2",
    "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph", "virtiofs",
})  # fmt: skip
"""Filesystems of other machines: SQLite's log in shared memory does not work over them (sqlite.org/wal.html)."""

FLEETING = {
    "tmpfs": "is in memory: after a reboot nothing of it is left",
    "ramfs": "is in memory: after a reboot nothing of it is left",
    "overlay": "is in the container's own layer, and goes with the container",
}


class Mount(NamedTuple):
    """A line of mountinfo (proc(5))."""

    point: str
    kind: str
    source: str


def parse_mount(line: str) -> Mount:
    """A line; spaces and the like stand as octal numbers in it. Raises ValueError or IndexError for what is none."""
    fields = line.split()
    after = fields.index("-")
    return Mount(_plain(fields[4]), fields[after + 1], _plain(fields[after + 2]))


def _plain(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def mount_of(folder: Path) -> Mount:
    """Where a folder is mounted: the longest point above it, and of several there the last. Raises OSError."""
    real = folder.resolve()
    mounts = [parse_mount(line) for line in MOUNTS.read_text(errors="surrogateescape").splitlines()]
    return max(
        (mount for mount in reversed(mounts) if real.is_relative_to(mount.point)), key=lambda one: len(one.point)
    )


def filesystem(data: Path) -> Finding:
    """Whether a store may be there. Raises OSError."""
    mount = mount_of(data)
    if mount.kind in REMOTE:
        return warn(
            "filesystem", f"{data} is on {mount.kind} ({mount.source}), over the network: no store is safe there",
            "keep the data folder on a local disk; outputs may be anywhere",
        )  # fmt: skip
    if mount.kind in FLEETING:
        return warn("filesystem", f"{data} {FLEETING[mount.kind]}", "keep the data folder on a disk, or a volume")
    return ok("filesystem", f"{mount.kind}, local")
