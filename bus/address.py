"""Where the bus is: one address that names two sockets, and where to look for it."""

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from bus.errors import BadAddress

ENVIRONMENT = "RUSHES_BUS"

COMMANDS, EVENTS = "commands", "events"
"""The sockets in an ipc folder."""

MAX_IPC_PATH_BYTES = 107
"""What fits `sockaddr_un.sun_path` on Linux with its closing NUL (unix(7))."""

LOOPBACK = re.compile(r"(127(\.\d{1,3}){3}|\[::1\])\Z")


class Endpoints(NamedTuple):
    """The two sockets that one bus address names, as ZeroMQ takes them."""

    commands: str
    events: str


def default_address(environ: "os._Environ[str] | dict[str, str]" = os.environ) -> str:
    """The address that the daemon and a client use when nothing is set, the same for both.

    `RUSHES_BUS`, else `rushes` in the per-user runtime directory (XDG Base Directory Specification), else a folder
    of the user's own in /tmp.
    """
    if is_set(environ):
        return environ[ENVIRONMENT]
    user = os.getuid()
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{user}"
    if Path(runtime).is_dir():
        return f"ipc://{runtime}/rushes"
    return f"ipc:///tmp/rushes-{user}"


def is_set(environ: "os._Environ[str] | dict[str, str]" = os.environ) -> bool:
    """True where `RUSHES_BUS` says which bus is meant."""
    return bool(environ.get(ENVIRONMENT))


def endpoints(address: str) -> Endpoints:
    """The sockets behind `address`.

    Raises:
        BadAddress: it is neither `ipc:///absolute/folder` nor `tcp://host:port`, or too long for a socket.

    """
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "ipc" and rest.startswith("/") and "\0" not in rest:
        folder = rest.rstrip("/")
        longest = f"{folder}/{COMMANDS}"
        if len(os.fsencode(longest)) > MAX_IPC_PATH_BYTES:
            raise BadAddress(
                f"bus address {address!r} is too long: {longest!r} must fit {MAX_IPC_PATH_BYTES} bytes; "
                "choose a shorter folder"
            )
        return Endpoints(f"ipc://{longest}", f"ipc://{folder}/{EVENTS}")
    if separator and scheme == "tcp":
        host, colon, port = rest.rpartition(":")
        if colon and host and port.isascii() and port.isdigit() and 0 < int(port) < 65535:
            host = "127.0.0.1" if host.lower() == "localhost" else host  # a bind takes no names
            return Endpoints(f"tcp://{host}:{port}", f"tcp://{host}:{int(port) + 1}")
    raise BadAddress(
        f"bus address {address!r} is not usable: it must be ipc:///absolute/folder or tcp://127.0.0.1:PORT "
        "(PORT and PORT+1 are used)"
    )


def is_ipv6(endpoint: str) -> bool:
    """True where a socket needs ZeroMQ's `ipv6` option for this endpoint."""
    return endpoint.startswith("tcp://[")


def ipc_folder(address: str) -> Path | None:
    """The folder of an ipc address; None for tcp."""
    commands = endpoints(address).commands
    return Path(commands.removeprefix("ipc://")).parent if commands.startswith("ipc://") else None


def is_loopback(address: str) -> bool:
    """True where only this machine can reach the address."""
    commands = endpoints(address).commands
    if commands.startswith("ipc://"):
        return True
    host = commands.removeprefix("tcp://").rpartition(":")[0]
    return LOOPBACK.match(host) is not None


def check_owner(folder: Path, *, is_named: bool = False) -> None:
    """Refuse an ipc folder in which somebody else could have put the sockets.

    Args:
        folder: where the sockets are.
        is_named: True for a client that was told its bus, and so whose it is: a system's daemon has a user of its own.

    Raises:
        BadAddress: the folder is another user's (root's is taken), or everybody may write to it.

    """
    try:
        found = folder.stat()
    except OSError:
        return  # nobody is there; connecting will say so
    if not is_named and found.st_uid not in (os.getuid(), 0):
        raise BadAddress(f"bus folder {folder} belongs to uid {found.st_uid}, not to you or root")
    if found.st_mode & stat.S_IWOTH:
        raise BadAddress(f"bus folder {folder} can be written by everybody; chmod 700 {folder}")
