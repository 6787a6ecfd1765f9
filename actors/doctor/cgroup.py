"""What the control groups of a process let it have (cgroups(7), version 2)."""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def group_of(pid: int | None) -> str | None:
    """The path of a process' group (None: of this one's) below the root; None where there is none of version 2."""
    try:
        lines = Path(f"/proc/{pid or 'self'}/cgroup").read_text().splitlines()
    except OSError:
        return None
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), None)


def least(limit: str, pid: int | None) -> int | None:
    """The smallest of a limit's values in the group and those above it, such as of `memory.max`; None for no limit."""
    group = group_of(pid)
    if group is None:
        return None
    folder = ROOT / group.lstrip("/")
    found = [_read(above / limit) for above in (folder, *folder.parents) if above.is_relative_to(ROOT)]
    return min((value for value in found if value is not None), default=None)


def _read(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # else `max`
