"""The daemon's settings: defaults, then a TOML file, then the environment, then the command line."""

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from actors.config_errors import explain
from actors.ffmpeg.formats import Format, FormatKey
from actors.ffmpeg.wrapper import SIZES, Children
from actors.jobs.ledger import DEFAULT_RETRY_SECONDS
from actors.jobs.waits import LONGEST_SECONDS
from actors.log_sinks import is_journal
from actors.webhooks.settings import MAX_HOOKS, BadHook, Notify, settle
from bus.address import default_address
from bus.auth import Role
from bus.limits import CPU, MAX_RESOURCES, MAX_SLOTS
from bus.spec import ResourceName

ENVIRONMENT_PREFIX = "RUSHES_"

DEFAULT_GRACE_SECONDS = 2.0
"""Between the rungs of the stop ladder: FFmpeg answers `q` in under a second unless it is finalising a large file."""

DEFAULT_MIN_FREE = 100_000_000
"""Bytes of room below which no output is begun: some minutes of an encode, in which the disk may still be cleared."""

UNITS = {"": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kKMGT]?i?B?)\Z")

Bytes = Annotated[int, Meta(ge=0, le=2**63 - 1, description="a size, such as 500 MB")]


class ConfigError(Exception):
    """A setting that cannot be; the message names it and what would be right."""


def default_data() -> Path:
    """`rushes` in the user's state directory (XDG Base Directory Specification)."""
    state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
    return Path(state) / "rushes"


class Retention(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much history is kept. `max_bytes`: of files that finished jobs made; `events_days`: of events and audit."""

    max_bytes: Bytes | None = None
    events_days: Annotated[float, Meta(gt=0, le=36_500)] = 30.0


class Backup(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Copies of the store that the daemon makes by itself, in `backups` of the data folder. 0 hours: none."""

    every_hours: Annotated[float, Meta(ge=0, le=8760)] = 24.0
    keep: Annotated[int, Meta(ge=1, le=1000)] = 2


class Metrics(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where Prometheus may read how the daemon does: a port of 127.0.0.1. 0: nowhere."""

    port: Annotated[int, Meta(ge=0, le=65_535)] = 0


class Config(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set. The names are those of the flags, the TOML keys and the environment.

    `slots` is by resource, in the file a table or the number of `cpu`; there are always some of `cpu`.
    """

    data: str = msgspec.field(default_factory=lambda: str(default_data()))
    bus: str = msgspec.field(default_factory=default_address)
    slots: Annotated[dict[ResourceName, Annotated[int, Meta(ge=1, le=MAX_SLOTS)]], Meta(max_length=MAX_RESOURCES)] = {}
    ffmpeg: str | None = None
    grace: Annotated[float, Meta(ge=0, le=600)] = DEFAULT_GRACE_SECONDS
    log_format: Literal["json", "console", "journal"] | None = None
    log_file: str | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    keep_files: bool = False
    retry_delay: Annotated[float, Meta(ge=0, le=LONGEST_SECONDS)] = DEFAULT_RETRY_SECONDS
    min_free: Bytes = DEFAULT_MIN_FREE
    retention: Retention = Retention()
    backup: Backup = Backup()
    formats: dict[FormatKey, Format] = {}
    children: Children = Children()
    metrics: Metrics = Metrics()
    default_role: Role = "admin"
    roles: dict[str, Role] = {}
    notify: Annotated[list[Notify], Meta(max_length=MAX_HOOKS)] = []


NAMES = Config.__struct_fields__
IN_TABLES = {"metrics_port": ("metrics", "port")}
"""Settings of a table that have a flag and a variable of their own."""

TABLES = {"roles", "retention", "backup", "formats", "children", "metrics", "notify"}
FROM_ENVIRONMENT = (frozenset(NAMES) - TABLES) | IN_TABLES.keys()


def load(given: Mapping[str, Any], file: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """The settings in force.

    Args:
        given: what the command line says; None means it says nothing.
        file: a TOML file, else `RUSHES_CONFIG`.
        environ: `RUSHES_<NAME>` for each name; a name that is no setting is left alone.

    Raises:
        ConfigError: a setting is unknown or has a value that cannot be.

    """
    file = file or (Path(environ["RUSHES_CONFIG"]) if environ.get("RUSHES_CONFIG") else None)
    raw = _read(file)
    for name in (name for name in raw if name not in NAMES):  # msgspec's words for one could be made to name another
        raise ConfigError(f"setting {name} (from {file}): there is none of that name; there are {', '.join(NAMES)}")
    told_by = dict.fromkeys(raw, str(file))
    for name in FROM_ENVIRONMENT:
        value = environ.get(ENVIRONMENT_PREFIX + name.upper())
        if value:
            _tell(raw, told_by, name, value, f"{ENVIRONMENT_PREFIX}{name.upper()}")
    for name, value in given.items():
        if value is not None:
            _tell(raw, told_by, name, value, "the command line")
    raw["slots"] = _read_slots(raw.get("slots", {}), told_by.get("slots", "nowhere"))
    _read_sizes(raw, "min_free")
    if isinstance(raw.get("retention"), dict):
        _read_sizes(raw["retention"], "max_bytes")
    if isinstance(raw.get("children"), dict) and isinstance(raw["children"].get("limits"), dict):
        for name in SIZES:
            _read_sizes(raw["children"]["limits"], name)
    if isinstance(raw.get("notify"), dict):
        raise ConfigError(f"setting notify (from {file}): there may be several, so write [[notify]] with two brackets")
    try:
        config = msgspec.convert(raw, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(str(error), Config, told_by)) from None
    if config.log_format == "journal" and config.log_file is not None:
        raise ConfigError("setting log_file: what goes to journald does not go to a file; leave out one of the two")
    try:
        notify = settle(config.notify, file)
    except BadHook as error:
        raise ConfigError(f"setting {error.setting} (from {file}): {error}") from None
    form = config.log_format or _usual_format(to_file=config.log_file is not None)
    return msgspec.structs.replace(
        config,
        data=_absolute(config.data),
        log_format=form,
        log_file=config.log_file and _absolute(config.log_file),
        notify=notify,
    )


def _tell(raw: dict[str, Any], told_by: dict[str, str], name: str, value: Any, who: str) -> None:
    """Set a setting in what will be checked, over what was told before."""
    table, key = IN_TABLES.get(name, (None, name))
    target = raw if table is None else raw.setdefault(table, {})
    if isinstance(target, dict):  # else the file has something else there, and is told so
        target[key], told_by[table or name] = value, who


def _usual_format(*, to_file: bool) -> Literal["json", "console", "journal"]:
    if to_file:
        return "json"
    return "journal" if is_journal() else "console" if sys.stderr.isatty() else "json"


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _read_slots(given: Any, who: str) -> Any:
    """`4`, `"4"`, `"cpu=4,nvenc=2"` or a table, as a table with some of `cpu`; what is none is left for the check."""
    if isinstance(given, dict):
        return {CPU: len(os.sched_getaffinity(0))} | given
    if not isinstance(given, str) or "=" not in given:
        return {CPU: given}
    pairs = [part.partition("=") for part in given.split(",")]
    slots = {name.strip(): count.strip() for name, _, count in pairs}
    if len(slots) < len(pairs):
        raise ConfigError(f"setting slots (from {who}): a resource has two numbers in {given!r}")
    return _read_slots(slots, who)


def _read_sizes(table: dict[str, Any], name: str) -> None:
    """Turn `2 GB` into a number, where that is what stands there; what is no size is left for the check."""
    found = SIZE.match(value.strip()) if isinstance(value := table.get(name), str) else None
    if found and found[2] in UNITS:
        table[name] = int(float(found[1]) * UNITS[found[2]])


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(f"configuration file {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration file {file} is not TOML: {error}") from None
