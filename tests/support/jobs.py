"""Job specs as plain maps, the way a client in any language writes them."""

from pathlib import Path
from typing import Any

from tests.support.wire import Map

FAST = ["-c:v", "libx264", "-preset", "ultrafast"]


def transcode(source: Path, *targets: Path, args: list[str] | None = None, **more: Any) -> Map:
    """A job that renders each target from one source."""
    outputs = [{"path": str(target), "args": FAST if args is None else args} for target in targets]
    return {"inputs": [{"path": str(source)}], "outputs": outputs, **more}


def picture(seconds: float = 1000, *, real_time: bool = False) -> Map:
    """An input that FFmpeg makes up itself; in real time it costs next to nothing and lasts as said."""
    pace = ["-re"] if real_time else []
    return {"path": f"testsrc=size=64x36:rate=10:duration={seconds}", "args": [*pace, "-f", "lavfi"]}


def quick(*targets: Path, **more: Any) -> Map:
    """A job that is done in a moment."""
    outputs = [{"path": str(target), "args": ["-c:v", "mpeg4"]} for target in targets]
    return {"inputs": [picture(0.5)], "outputs": outputs, **more}


def lasting(target: Path, seconds: float = 600, **more: Any) -> Map:
    """A job that renders for that many seconds, as a camera would deliver them."""
    output = {"path": str(target), "args": ["-t", str(seconds), "-c:v", "mpeg4"]}
    return {"inputs": [picture(seconds, real_time=True)], "outputs": [output], **more}
