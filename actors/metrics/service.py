"""The metrics of a daemon that was asked for them: what is counted, and the port where it is read."""

from pathlib import Path
from typing import Self

from actors.jobs.tally import Tally
from actors.logs import logger
from actors.webhooks.service import Webhooks
from bus.hub import Hub
from bus.traffic import Traffic


class Metrics:
    """Made, started and stopped by the main thread.

    Args:
        port: of 127.0.0.1.

    Raises:
        OSError: it cannot be had.

    """

    def __init__(self, port: int) -> None:
        from actors.metrics.server import HOST, Server  # noqa: PLC0415 # as below: most daemons do without

        self.tally = Tally()
        self.traffic = Traffic()
        self._log = logger(actor="metrics")
        self._server = Server(port, self._failed)
        self._url = f"http://{HOST}:{port}/metrics"

    @classmethod
    def of(cls, port: int) -> Self | None:
        """Those on a port; None where it is 0."""
        return cls(port) if port else None

    def start(self, hub: Hub, webhooks: Webhooks, data: Path, version: str, ffmpeg: str) -> None:
        """Serve what is counted."""
        from actors.metrics.collector import CONTENT_TYPE, Exposition, Sources  # noqa: PLC0415 # most daemons do without

        exposition = Exposition(Sources(hub, self.traffic, self.tally, webhooks, data, version, ffmpeg))
        self._server.start(exposition, CONTENT_TYPE)
        self._log.info("metrics_served", url=self._url)

    def stop(self) -> None:
        """Give the port up."""
        self._server.stop()

    def _failed(self, what: str, error: BaseException | None) -> None:
        self._log.error("metrics_failed", error=what, exc_info=error)
