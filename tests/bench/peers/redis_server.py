"""A Redis of our own under the peers that need one: on a unix socket, with every command on disk before its reply."""

import shutil
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tests.bench.peers.crew import CrewPeer

SOCKET_PATH_BYTES = 107
"""What sun_path holds besides its zero, unix(7)."""
SECONDS = 5.0
"""For an answer to PING, and for --version."""


def program() -> str | None:
    """The redis-server on PATH."""
    return shutil.which("redis-server")


def server_version() -> str:
    """Such as "redis-server 7.0.15"."""
    path = program()
    if path is None:
        return "no redis-server"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=SECONDS).stdout
    number = next((word[2:] for word in said.split() if word.startswith("v=")), "of no version")
    return f"redis-server {number}"


def command(path: Path) -> list[str]:
    """How it is started: no TCP port, and the append-only file synced before any reply goes out."""
    options = {
        "port": "0",
        "unixsocket": str(path),
        "dir": str(path.parent),
        "appendonly": "yes",
        "appendfsync": "always",
        "save": "",
        "daemonize": "no",
    }
    return [program() or "redis-server", *(word for key, value in options.items() for word in (f"--{key}", value))]


def answers(path: Path) -> bool:
    """True where a server there says that it is up."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def not_installed(*packages: str) -> str | None:
    """Which of these is not in this environment."""
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            return f"{package} is not installed"
    return None


class RedisPeer(CrewPeer):
    """A peer with a Redis as its broker."""

    packages: tuple[str, ...]
    """What it takes, as the registry names it; the first one is the peer itself."""

    durability = "AOF, fsync each command"
    syncs = True

    @classmethod
    def missing(cls) -> str | None:
        return not_installed(*cls.packages) or (None if program() else "redis-server is not installed")

    @classmethod
    def version(cls) -> str:
        return ", ".join([*(f"{package} {version(package)}" for package in cls.packages), server_version()])

    def open(self) -> None:
        path = self.folder / "redis.sock"
        if len(bytes(path)) > SOCKET_PATH_BYTES:
            raise ValueError(f"a unix socket's path has at most {SOCKET_PATH_BYTES} bytes: {path}")
        self.crew.start(command(path))
        self.crew.await_ready(lambda: answers(path), "redis-server")
        self.broker = f"unix://{path}"
        self.connect()

    def connect(self) -> None:
        """Make the client that submits to `self.broker`."""
        raise NotImplementedError
