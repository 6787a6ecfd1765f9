"""What a daemon's metrics are, read as Prometheus reads them."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.daemon import Daemon
from tests.support.wire import PATIENCE

LISTENS = "0A"
"""The state of a socket that listens, in /proc/net/tcp."""

SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}
"""Of the samples of a family of that type; where there is none they have its own name."""

Labels = dict[str, str]


class Sample(NamedTuple):
    """One line of a scrape."""

    name: str
    labels: Labels
    value: float


class Scrape:
    """One reading of all metrics."""

    def __init__(self, text: str) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(text))
        self.samples = [Sample(one.name, one.labels, one.value) for one in self._lines()]

    def _lines(self) -> Iterator[Sample]:
        for family in self.families:
            for sample in family.samples:
                yield Sample(sample.name, sample.labels, sample.value)

    def of(self, name: str, **labels: str) -> list[Sample]:
        """The samples of that name that have these labels."""
        return [one for one in self.samples if one.name == name and labels.items() <= one.labels.items()]

    def __call__(self, name: str, **labels: str) -> float:
        """The one value of that name and these labels."""
        [found] = self.of(name, **labels)
        return found.value

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of that name that are not 0, by one label."""
        return {one.labels[label]: one.value for one in self.of(name) if one.value}

    def labels(self) -> dict[str, set[str]]:
        """The labels that samples of each name have."""
        found: dict[str, set[str]] = {}
        for one in self.samples:
            found.setdefault(one.name, set()).update(one.labels)
        return found


def scrape(daemon: Daemon) -> Scrape:
    """The metrics of a daemon as they stand."""
    return scrape_port(int(str(daemon.options["metrics_port"])))


def scrape_port(port: int) -> Scrape:
    """The same of whatever daemon has them on this port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    assert response.status == 200, body
    assert (response.getheader("Content-Type") or "").startswith("text/plain; version=0.0.4")
    return Scrape(body.decode())


def listens_at(pid: int) -> set[tuple[str, int]]:
    """The addresses at which a process listens over tcp."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(entry.readlink().name)
        except OSError:
            continue  # closed in this moment
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            host, _, port = fields[1].partition(":")
            if fields[3] == LISTENS and f"socket:[{fields[9]}]" in inodes:
                words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found
