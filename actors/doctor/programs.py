"""The programs that a job needs: FFmpeg, what it can encode with, and the shell that it runs under."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from actors.config import Config
from actors.doctor.finding import Finding, fail, ok, size, warn
from actors.ffmpeg import binary, trial
from actors.ffmpeg.binary import FFmpeg, FFmpegMissing
from actors.ffmpeg.child import SHELL
from actors.ffmpeg.format_trials import Trials
from actors.ffmpeg.formats import Formats
from actors.ffmpeg.trial import CannotEncode
from actors.ffmpeg.wrapper import NoWrapper, wrapper

EXPECTED = {"libx264": "H.264", "libx265": "HEVC", "aac": "AAC", "libopus": "Opus"}
"""Encoders that most jobs ask for, and what they make."""

FALLBACK = "mpeg4"
"""FFmpeg's own, which every build has: what the trial uses where there is no libx264."""

HARDWARE = {"nvenc": "/dev/nvidiactl", "vaapi": "/dev/dri/renderD128", "qsv": "/dev/dri/renderD128"}
"""How the names of a hardware's encoders end, and the device that they open."""


def look(config: Config) -> Iterator[Finding]:
    """FFmpeg, its encoders, and one encode."""
    try:
        found = binary.find(config.ffmpeg)
    except FFmpegMissing as error:
        yield fail("ffmpeg", str(error), "no job can run: apt install ffmpeg, or name one with --ffmpeg")
        return
    yield ok("ffmpeg", f"{found.path}, version {found.version}")
    try:
        found = found._replace(wrapper=wrapper(config.children, found.path))
    except NoWrapper as error:
        yield fail(
            "children", str(error), "install coreutils and util-linux, or change [children] in the configuration"
        )
    can = trial.encoders(found)
    yield _common(found, can)
    yield _hardware(can)
    encode = _trial(found, "libx264" if "libx264" in can else FALLBACK)
    yield encode
    if encode.state == "ok":  # else none can be used
        yield from _formats(config, found)


def _common(found: FFmpeg, can: frozenset[str]) -> Finding:
    missing = [name for name in EXPECTED if name not in can]
    if not missing:
        return ok("encoders", " ".join(EXPECTED))
    makes = ", ".join(f"{name} ({EXPECTED[name]})" for name in missing)
    return warn("encoders", f"{found.path} lacks {makes}", "jobs that ask for one fail: install a full build of FFmpeg")


def _hardware(can: frozenset[str]) -> Finding:
    """For information: a machine without any is as it should be."""
    kinds = {kind: device for kind, device in HARDWARE.items() if any(name.endswith(f"_{kind}") for name in can)}
    ready = [kind for kind, device in kinds.items() if os.access(device, os.R_OK | os.W_OK)]
    closed = {device for kind, device in kinds.items() if kind not in ready and Path(device).exists()}
    if closed:
        return warn(
            "hardware", f"{', '.join(sorted(closed))}: the daemon's user may not open it",
            "to encode there, add that user to the device's group (ls -l /dev/dri), and restart the daemon",
        )  # fmt: skip
    if ready:
        return ok("hardware", f"{', '.join(ready)}: built in, and the device is there")
    return ok("hardware", f"{', '.join(kinds)} built in, and no device for it here" if kinds else "none built in")


def _trial(found: FFmpeg, encoder: str) -> Finding:
    try:
        made = trial.encode(found, encoder)
    except CannotEncode as error:
        return fail(
            "encode", f"{found.path} cannot encode half a second with {encoder}: {error}",
            "run it by hand, or name another with --ffmpeg",
        )  # fmt: skip
    return ok("encode", f"half a second with {encoder}: {size(made)}")


def _formats(config: Config, found: FFmpeg) -> Iterator[Finding]:
    """One of the configuration's that FFmpeg does not take keeps the daemon from starting."""
    with tempfile.TemporaryDirectory() as folder:
        errors = Trials(config.formats, found, Path(folder)).try_all()
    presets = Formats(config.formats, errors.__getitem__).views()
    wrong = [one for one in presets if one.error is not None]
    for one in wrong:
        what = f"format {one.name} cannot be used: {one.error}"
        if one.built_in:
            yield warn("formats", what, "jobs that name it are refused: install a full build of FFmpeg")
        else:
            yield fail("formats", what, "put it right in the configuration's [formats]")
    if not wrong:
        yield ok("formats", " ".join(one.name for one in presets))


def look_at_shell(_config: Config) -> Iterator[Finding]:
    """The shell that holds FFmpeg's exit status while no daemon is there."""
    try:
        works = trial.shell_works()
    except OSError as error:
        yield fail("shell", f"{SHELL}: {error.strerror}", "no job can run: install a POSIX shell there")
        return
    if works:
        yield ok("shell", SHELL)
    else:
        yield fail("shell", f"{SHELL} does not do as a POSIX shell does", "no job can run: install dash or bash there")
