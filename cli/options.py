"""What the commands' parameters have in common: the bus, job ids, which jobs are meant."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, get_args

import click

from bus.address import COMMANDS, default_address, endpoints, ipc_folder
from bus.client import Client
from bus.errors import BusError
from bus.messages import JobStatus
from bus.request import DEADLINE_SECONDS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

P = ParamSpec("P")
F = TypeVar("F", bound=Callable[..., Any])

STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)

MIN_PREFIX_CHARS = 4
"""A job id may be cut to this: there are a million such prefixes, so a thousand jobs rarely share one."""

ABSENT_SECONDS = 1.0
"""The patience where there is not even a socket: a daemon that is only restarting is back by then."""

COMPLETION_SECONDS = 0.5
"""A completion that takes longer is worse than none."""

COMPLETION_ITEMS = 30
"""More than that is no help."""


def with_client(function: Callable[Concatenate[Client, P], None]) -> Callable[..., None]:
    """Give a command its `client`, and the options `--bus` and `--json` that every client command has."""

    @click.option("--bus", metavar="ADDRESS", help="Where the daemon is; else $RUSHES_BUS, else the per-user address.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON, for programs.")
    @functools.wraps(function)
    def command(bus: str | None, *args: P.args, **options: P.kwargs) -> None:
        with Client(bus, deadline=_patience(bus)) as client:
            function(client, *args, **options)

    return command


def _patience(bus: str | None) -> float:
    """How many seconds to wait for an answer."""
    address = bus or default_address()
    folder = ipc_folder(address)
    present = _listens(endpoints(address).commands) if folder is None else (folder / COMMANDS).exists()
    return DEADLINE_SECONDS if present else ABSENT_SECONDS


def _listens(endpoint: str) -> bool:
    """False where nobody takes connections at a tcp endpoint."""
    import socket  # some 3 ms, which only tcp costs

    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), ABSENT_SECONDS):
            return True
    except OSError:
        return False


def job_id(function: F) -> F:
    """The argument `ID`."""
    return click.argument("given", metavar="ID", callback=check_id, shell_complete=complete_id)(function)


def job_ids(*, required: bool) -> Callable[[F], F]:
    """The argument `ID...`."""
    return click.argument(
        "given",
        metavar="ID..." if required else "[ID...]",
        nargs=-1,
        required=required,
        callback=lambda ctx, param, ids: tuple(check_id(ctx, param, given) for given in ids),
        shell_complete=complete_id,
    )


def selects(*statuses: JobStatus) -> Callable[[F], F]:
    """The arguments of a command that takes ids, or a session and statuses that mean all such jobs."""

    def decorate(function: F) -> F:
        function = click.option(
            "--status",
            "wanted",
            multiple=True,
            type=click.Choice(statuses),
            help="All jobs of this status." + (" May be repeated." if len(statuses) > 1 else ""),
        )(function)
        function = click.option("--session", metavar="NAME", help="All jobs of this session.")(function)
        return job_ids(required=False)(function)

    return decorate


def check_id(ctx: click.Context, param: click.Parameter, given: str | None) -> str | None:
    """The callback of a parameter that is a job id: refuses what is too short to be one."""
    if given is not None and len(given) < MIN_PREFIX_CHARS:
        raise click.BadParameter(f"give at least {MIN_PREFIX_CHARS} characters of a job id, not {given!r}")
    return given


def complete_id(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """The newest jobs that fit."""
    from click.shell_completion import CompletionItem

    from cli import text

    try:
        with Client(ctx.params.get("bus"), deadline=COMPLETION_SECONDS) as client:
            jobs = client.list(prefix=incomplete or None, limit=COMPLETION_ITEMS).jobs
    except BusError:
        return []  # a completion has nobody to complain to
    return [CompletionItem(job.id, help=f"{text.standing(job)} {text.title(job)}") for job in jobs]
