"""What a `[[notify]]` of the configuration may say: where events are sent, which, and how they are signed."""

import re
import stat
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import msgspec
from msgspec import Meta, Struct

from actors.webhooks.signature import keys_of

EVENT_TYPES = (
    "job.submitted", "job.boosted", "job.started", "job.output_started", "job.output_completed", "job.cancelling",
    "job.signalled", "job.paused", "job.unpaused", "job.completed", "job.failed", "job.cancelled", "job.requeued",
    "job.deleted", "job.expired",
    "daemon.started", "daemon.draining", "daemon.resumed", "daemon.slots", "daemon.stopping", "daemon.actor_restarted",
    "daemon.disk_low", "daemon.disk_ok",
)  # fmt: skip
"""Every durable event of the protocol (section 3), so that a type that is never sent is a mistake and not a silence."""

ENDS = ("job.completed", "job.failed", "job.cancelled")
"""What is sent where nothing is said: what became of each job."""

MAX_HOOKS = 32
"""Each has a thread and a connection to the bus."""

MAX_URL_CHARS = 2048
"""What every server takes."""

DEFAULT_TIMEOUT_SECONDS = 15.0
"""The specification advises 15 to 30 s; an event behind it waits as long."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""A hook's name is also that of a file and stands in the log."""

SHOWN_CHARS = 100
"""How much of a type that is none an error repeats."""

OPEN_TO_OTHERS = stat.S_IRWXO | stat.S_IWGRP
"""What a file with a secret in it may not allow. A group may read it: so does systemd hand over a credential."""


class BadHook(Exception):
    """A `[[notify]]` that cannot be. `setting` names the field; the message shows no URL and no secret."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(problem)
        self.setting = setting


class Notify(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One webhook. `secret` is that in `secret_file` once it is settled, and the name is given or its host's."""

    url: Annotated[str, Meta(max_length=MAX_URL_CHARS)]
    name: str = ""
    types: Annotated[list[str], Meta(min_length=1, max_length=100)] = msgspec.field(default_factory=lambda: [*ENDS])
    secret: str | None = None
    secret_file: str | None = None
    timeout: Annotated[float, Meta(ge=0.1, le=60)] = DEFAULT_TIMEOUT_SECONDS

    def __repr__(self) -> str:
        return f"Notify({self.name!r})"  # its URL may be a secret, too

    @property
    def origin(self) -> str:
        """As much of the URL as may be shown: with many services its path is the password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What signs each delivery."""
        return keys_of(self.secret or "")

    def wants(self, event_type: str) -> bool:
        """True where events of that type are to be sent."""
        return any(fnmatchcase(event_type, pattern) for pattern in self.types)


def settle(hooks: Sequence[Notify], file: Path | None) -> list[Notify]:
    """The hooks as they will work: named, with what stands in their secret files, and each looked at.

    Args:
        hooks: as the configuration has them.
        file: where it stands.

    Raises:
        BadHook: one of them cannot be.

    """
    settled: dict[str, Notify] = {}
    for number, hook in enumerate(hooks):
        at = f"notify[{number}]"
        parts = _checked_url(f"{at}.url", hook.url)
        _check_types(f"{at}.types", hook.types)
        name = hook.name or re.sub(r"[^A-Za-z0-9.]+", "-", parts.netloc).strip("-.")[:64]
        if not NAME.fullmatch(name):
            raise BadHook(f"{at}.name", "a name has 1 to 64 letters, digits, dots, hyphens and underscores")
        if name in settled:
            raise BadHook(f"{at}.name", f"two hooks are called {name}: each must have a name of its own")
        settled[name] = msgspec.structs.replace(hook, name=name, secret=_secret(at, hook, file))
    return [*settled.values()]


def _checked_url(setting: str, url: str) -> SplitResult:
    if not url.isascii() or not url.isprintable() or " " in url:
        raise BadHook(setting, "a URL is ASCII without spaces: other signs are written as %XX, a host as xn--…")
    parts = _split(url)
    if parts is None:
        raise BadHook(setting, "must be https://host/path or http://host/path")
    if "@" in parts.netloc:
        raise BadHook(setting, "may hold no user and password; the receiver knows a delivery by its signature")
    if "#" in url:
        raise BadHook(setting, "may hold no #fragment: it would not be sent")
    return parts


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that can be asked; None where it is none."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna"), parts.port  # as the look-up will have it
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and host and port != 0 else None


def _check_types(setting: str, types: Sequence[str]) -> None:
    for number, pattern in enumerate(types):
        if not any(fnmatchcase(event_type, pattern) for event_type in EVENT_TYPES):
            known = ", ".join(EVENT_TYPES)
            raise BadHook(
                f"{setting}[{number}]",
                f"{pattern[:SHOWN_CHARS]!a} fits no event that is kept; there are {known}, and job.* or daemon.*",
            )


def _secret(at: str, hook: Notify, file: Path | None) -> str | None:
    """The secret as it stands, or as its file has it."""
    if hook.secret is not None and hook.secret_file is not None:
        raise BadHook(f"{at}.secret", "stands beside secret_file; leave out one of the two")
    if hook.secret_file is not None:
        setting, path = f"{at}.secret_file", Path(hook.secret_file).expanduser()
        _check_private(setting, path)
        secret = _read(setting, path)
    elif hook.secret is not None:
        setting, secret = f"{at}.secret", hook.secret
        if file is not None:
            _check_private(setting, file)
    else:
        return None
    try:
        keys = keys_of(secret)
    except ValueError as error:
        raise BadHook(setting, str(error)) from None
    if not keys:
        raise BadHook(setting, "it is empty")
    return secret


def _check_private(setting: str, path: Path) -> None:
    """Refuse a file that a secret should not stand in."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise BadHook(setting, f"{path} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise BadHook(setting, f"{path} is no file")
    if mode & OPEN_TO_OTHERS:
        raise BadHook(setting, f"{path} is open to other users; say chmod g-w,o= {path}")


def _read(setting: str, path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise BadHook(setting, f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadHook(setting, f"{path} is no text") from None
