"""Who looks after the daemon: systemd, by a unit of the system's or the user's, or nobody."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from actors.config import Config
from actors.doctor.cgroup import group_of
from actors.doctor.finding import Finding, ok, warn
from actors.doctor.folder import user_name
from actors.doctor.holder import holder

BOOTED = Path("/run/systemd/system")
"""Is there where systemd is the init (sd_booted(3))."""

LINGER = Path("/var/lib/systemd/linger")
"""Has a file for each user whose services outlive the last logout."""

UNITS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
UNIT = "rushes.service"

OF_USER = re.compile(r"/user@(\d+)\.service/")
OF_SESSION = re.compile(r"/session-\w+\.scope")


def look(config: Config) -> Iterator[Finding]:
    """For information, but for a daemon that ends when somebody logs out."""
    if not BOOTED.is_dir():
        yield ok("systemd", "is not the init here: whoever started the daemon has to start it again")
        return
    found = holder(Path(config.data))
    if found is None or found.pid is None:
        file = installed()
        yield ok("systemd", f"{UNIT} is in {file.parent}" if file else f"has no {UNIT} (deploy/{UNIT} is one)")
        return
    yield place(group_of(found.pid) or "")


def installed() -> Path | None:
    """The unit of the system's that runs the daemon; None where there is none."""
    return next((file for file in (Path(folder) / UNIT for folder in UNITS) if file.exists()), None)


def makes(folder: Path) -> bool:
    """True where that unit makes a folder of /run when it is started, and takes it away when it ends."""
    file = installed()
    named = re.findall(r"^RuntimeDirectory=(.*)$", file.read_text(errors="replace"), re.MULTILINE) if file else []
    return folder in {Path("/run") / name for line in named for name in line.split()}


def place(group: str) -> Finding:
    """What a daemon's control group says of who looks after it."""
    user = OF_USER.search(group)
    if user is not None:
        name = user_name(int(user[1]))
        line = f"the daemon runs among the services of {name}"
        if (LINGER / name).exists():
            return ok("systemd", f"{line}, which outlive the last logout")
        return warn("systemd", f"{line}, which end with the last logout", f"loginctl enable-linger {name}")
    if OF_SESSION.search(group):
        return warn(
            "systemd", "the daemon runs in somebody's login session, and may end with it",
            f"run it as a service: deploy/{UNIT}",
        )  # fmt: skip
    service = os.path.basename(group)  # noqa: PTH119 # the last name of a path of cgroupfs
    if service.endswith(".service"):
        return ok("systemd", f"the daemon runs as {service}")
    return ok("systemd", "does not look after the daemon that runs")
