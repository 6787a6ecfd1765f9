"""Who is asking comes from the transport, and what they may from their role."""

import os
import pwd

import pytest

from bus import auth
from bus import messages as m
from bus.errors import Forbidden

MAY: dict[auth.Role, set[str]] = {
    "viewer": {"get", "why", "list", "session", "formats", "events", "log", "audit", "status"},
    "operator": {
        "get",
        "why",
        "session",
        "formats",
        "list",
        "events",
        "log",
        "audit",
        "status",
        "submit",
        "cancel",
        "delete",
        "boost",
        "retry",
        "pause",
        "unpause",
    },
    "admin": set(m.COMMANDS),
}


def test_over_ipc_it_is_the_os_users_name() -> None:
    me = pwd.getpwuid(os.getuid()).pw_name
    assert auth.identity(f"localhost:{os.getuid()}:{os.getgid()}:{os.getpid()}") == me


def test_a_user_without_a_name_is_his_number() -> None:
    assert auth.identity("localhost:54321:54321:1") == "uid:54321"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "fe80::1", "::1"])
def test_over_tcp_it_is_the_peers_address(address: str) -> None:
    assert auth.identity(address) == f"tcp:{address}"


@pytest.mark.parametrize("address", ["", " "])
def test_a_transport_that_proves_nothing_gives_a_name_that_no_user_has(address: str) -> None:
    assert auth.identity(address) == "unknown"


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_what_it_may_and_nothing_else(role: auth.Role) -> None:
    guard = auth.Guard({"ada": role}, default="viewer")
    for command in MAY[role]:
        guard.check("ada", command)
    for command in set(m.COMMANDS) - MAY[role]:
        able = " and ".join(other for other, commands in MAY.items() if command in commands)
        with pytest.raises(Forbidden, match=f"the role {role}, which may not {command}; {able} may$") as refusal:
            guard.check("ada", command)
        assert refusal.value.details == {"role": role, "by": "ada"}


def test_who_is_not_named_has_the_default() -> None:
    guard = auth.Guard({"ada": "admin"}, default="viewer")
    guard.check("bob", "list")
    with pytest.raises(Forbidden):
        guard.check("bob", "submit")


def test_where_nothing_is_set_everybody_may_everything() -> None:
    for command in m.COMMANDS:
        auth.Guard().check("anybody", command)
