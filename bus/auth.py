"""Who is asking, and may they. The answer comes from the transport, never from a body."""

import functools
import pwd
from collections.abc import Mapping
from typing import Literal

from bus.errors import Forbidden

Role = Literal["viewer", "operator", "admin"]

READS = frozenset({"get", "why", "list", "session", "formats", "events", "log", "audit", "status"})
OPERATES = READS | {"submit", "cancel", "delete", "boost", "retry", "pause", "unpause"}
ALLOWED: dict[Role, frozenset[str]] = {
    "viewer": READS,
    "operator": OPERATES,
    "admin": OPERATES | {"drain", "resume", "shutdown", "slots", "log_level", "backup"},
}

UNKNOWN = "unknown"
"""An identity for a transport that proves nothing; no transport that the hub binds is one."""


@functools.lru_cache(maxsize=1024)
def identity(peer_address: str) -> str:
    """The identity behind libzmq's `Peer-Address` property.

    Over ipc that is `localhost:<uid>:<gid>:<pid>`, from the socket's SO_PEERCRED: the OS user's name. Over tcp it is
    the peer's address. Source: libzmq's stream_engine_base.cpp, and seen with libzmq 4.3.5.
    """
    address = peer_address.strip()
    parts = address.split(":")
    if len(parts) == 4 and all(part.isdigit() for part in parts[1:]):
        return user_name(int(parts[1]))
    return f"tcp:{address}" if address else UNKNOWN


@functools.lru_cache(maxsize=1024)
def user_name(uid: int) -> str:
    """The OS user's name, or `uid:<n>` where the system has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid:{uid}"


class Guard:
    """Roles by identity. Whoever is not named has `default`: on a per-user ipc folder, that is the user."""

    def __init__(self, roles: Mapping[str, Role] | None = None, default: Role = "admin") -> None:
        self._roles = dict(roles or {})
        self._default: Role = default

    def check(self, by: str, command_type: str) -> None:
        """Let `by` send `command_type`, or raise `Forbidden`. Any thread."""
        role = self._roles.get(by, self._default)
        if command_type not in ALLOWED[role]:
            able = " and ".join(other for other, allowed in ALLOWED.items() if command_type in allowed)
            why = f"{by} has the role {role}, which may not {command_type}; {able} may"
            raise Forbidden(why, {"role": role, "by": by})
