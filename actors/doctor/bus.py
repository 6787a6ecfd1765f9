"""The bus: its folder, who answers there, how fast, and whether that is this data folder's daemon."""

import os
import shlex
import socket
import stat
import statistics
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from msgspec import ValidationError

from actors.config import Config
from actors.doctor import service
from actors.doctor.finding import Finding, fail, milliseconds, ok, warn
from actors.doctor.folder import user_name
from actors.doctor.holder import Holder, holder, name
from actors.metrics.server import HOST
from bus.address import COMMANDS, check_owner, ipc_folder, is_loopback
from bus.client import Client
from bus.codec import Undecodable
from bus.errors import BadAddress, CommandRefused, NoDaemon
from bus.messages import StatusResult

ANSWER_SECONDS = 5.0
"""For a daemon's answer: one that is busy needs 20 ms, one whose disk is slow some more."""

ABSENT_SECONDS = 1.0
"""The same where nobody has the data folder: one that is only restarting is back by then."""

ROUND_TRIPS = 5
"""Of which the middle one counts."""

SLOW_SECONDS = 0.25
"""A round trip takes a millisecond; a daemon with a flood of commands answers in 20."""


def look(config: Config) -> Iterator[Finding]:
    """The folder, then the daemon."""
    try:
        folder = ipc_folder(config.bus)
        if folder is not None:
            check_owner(folder, is_named=True)  # whose it may be is looked at below, as the daemon looks at it
    except BadAddress as error:
        yield fail("bus", str(error), "name another with --bus or RUSHES_BUS")
        return
    if folder is not None:
        found = _folder(config.bus, folder, _uid(Path(config.data)))
    elif is_loopback(config.bus):
        found = ok("bus", f"{config.bus}: whoever is on this machine may use it")
    else:
        found = fail("bus", f"{config.bus} is not of this machine alone", "use tcp://127.0.0.1:PORT, or ipc:///folder")
    yield found
    if found.state == "fail":
        return
    yield from _daemon(config)


def look_at_metrics(config: Config) -> Iterator[Finding]:
    """Whether the port for metrics can be had: a daemon does not start without. One that runs has it."""
    if not config.metrics.port or holder(Path(config.data)) is not None:
        return
    try:
        socket.create_server((HOST, config.metrics.port)).close()
    except OSError as error:
        yield fail(
            "metrics", f"port {config.metrics.port} of {HOST} cannot be used: {os.strerror(error.errno or 0)}",
            f"see who has it: ss -ltnp sport = {config.metrics.port}; or choose another with --metrics-port",
        )  # fmt: skip
    else:
        yield ok("metrics", f"http://{HOST}:{config.metrics.port}/metrics")


def _uid(data: Path) -> int:
    """Whose the daemon is: the data folder's owner; where there is none yet, whoever asks."""
    try:
        return data.stat().st_uid
    except OSError:
        return os.geteuid()


def _folder(address: str, folder: Path, daemons_uid: int) -> Finding:
    me = user_name(os.geteuid())
    if not folder.exists():
        if service.makes(folder):
            return ok("bus", f"{address}: {service.UNIT} makes the folder when it is started")
        nearest = next(above for above in folder.parents if above.exists())
        if os.access(nearest, os.W_OK | os.X_OK):
            return ok("bus", f"{address}: the daemon will make the folder")
        return fail(
            "bus", f"{folder} does not exist, and {me} cannot make it in {nearest}",
            f"as root: install -d -o {me} -m 700 {shlex.quote(str(folder))}; at each boot: deploy/tmpfiles.conf",
        )  # fmt: skip
    found = folder.stat()
    line = f"{address}, of {user_name(found.st_uid)}, mode {stat.S_IMODE(found.st_mode):04o}"
    if found.st_uid not in (daemons_uid, 0):
        remedy = f"chown {user_name(daemons_uid)} {shlex.quote(str(folder))}, or name another with --bus"
        if (folder / COMMANDS).exists():
            remedy = (
                "to look at the daemon that is there, give its --config, or its --data; else name another with --bus"
            )
        return fail("bus", f"{line}: the daemon, {user_name(daemons_uid)}, will not use what is another's", remedy)
    if not os.access(folder, os.X_OK) or ((folder / COMMANDS).exists() and not os.access(folder / COMMANDS, os.W_OK)):
        return fail("bus", f"{line}: {me} may not use it", "log in as a member of the folder's group, or as its owner")
    return ok("bus", line)


def _daemon(config: Config) -> Iterator[Finding]:
    held = _holder(Path(config.data))
    seconds = ABSENT_SECONDS if held is None else ANSWER_SECONDS
    try:
        with Client(config.bus, deadline=seconds) as client:
            status = client.status()
            took = [_time(client) for _ in range(ROUND_TRIPS)]
    except NoDaemon:
        yield _silent(config, held)
    except CommandRefused as refusal:
        yield warn("daemon", f"answers {refusal.code}: {refusal.message}", "try again; and look at its log")
    except (Undecodable, ValidationError):
        remedy = "give the --bus of yours, or the program of its version"
        yield fail("daemon", f"what answers at {config.bus} is no Rushes daemon that this version understands", remedy)
    else:
        yield _whose(config, status)
        yield _version(status)
        yield _round_trip(statistics.median(took))


def _holder(data: Path) -> Holder | None:
    """Who has the data folder, as far as this user may see it."""
    try:
        return holder(data)
    except OSError:
        return None


def _other(data: Path, pid: int) -> str | None:
    """Who has the data folder, where that is somebody else than this daemon; None where it is, or may be."""
    try:
        held = holder(data)
    except OSError:
        return None
    if held is None:
        return "nobody has"
    return None if held.pid in (None, pid) else f"pid {held.pid} has"


def _time(client: Client) -> float:
    began = time.monotonic()
    client.status()
    return time.monotonic() - began


def _silent(config: Config, held: Holder | None) -> Finding:
    if held is None:
        return warn("daemon", f"none answers at {config.bus}", "start it: rushes serve, or systemctl start rushes")
    other = None if held.pid is None else address_of(held.pid)
    line = f"none answers at {config.bus}, but {name(held)} has {config.data}"
    if other is not None and other != config.bus.rstrip("/"):
        return fail("daemon", line, f"it is at {other}: say --bus {shlex.quote(other)}, or set RUSHES_BUS")
    return fail(
        "daemon", line,
        "it has another --bus, or hangs: look at its log; kill -9 ends it, and costs no minute of encoding",
    )  # fmt: skip


def _whose(config: Config, status: StatusResult) -> Finding:
    line = f"pid {status.pid}, {status.running} of {status.slots} slots busy, {status.queued} queued"
    other = _other(Path(config.data), status.pid)
    if other is not None:
        return fail(
            "daemon", f"at {config.bus} is pid {status.pid}, but {other} {config.data}",
            "--bus and --data are of two daemons: give both as in the unit or the configuration of the one you mean",
        )  # fmt: skip
    if status.draining:
        return warn("daemon", f"{line}; it is draining: no further job starts", "rushes resume, once that is wanted")
    return ok("daemon", line)


def _version(status: StatusResult) -> Finding:
    ours = version("rushes")
    if status.version == ours:
        return ok("version", f"{ours}, as this program's")
    return warn(
        "version", f"the daemon runs {status.version}, this program is {ours}",
        "to bring it up to date: rushes shutdown --mode leave --wait, then start it; no encode is lost",
    )  # fmt: skip


def _round_trip(took: float) -> Finding:
    if took > SLOW_SECONDS:
        return warn(
            "round trip", f"takes {milliseconds(took)}", "see who floods it: rushes audit, and the machine's load"
        )
    return ok("round trip", f"takes {milliseconds(took)}")


def address_of(pid: int) -> str | None:
    """The ipc bus that a process serves; None where it has none that we may see."""
    try:
        opened = {os.readlink(entry) for entry in os.scandir(f"/proc/{pid}/fd")}  # noqa: PTH115 # scandir's entries
        lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    for line in lines:
        fields = line.split(maxsplit=7)  # proc(5): the seventh is the inode, the last the path, where it has one
        if len(fields) == 8 and f"socket:[{fields[6]}]" in opened and fields[7].endswith(f"/{COMMANDS}"):
            return f"ipc://{fields[7].removesuffix(f'/{COMMANDS}')}"
    return None
