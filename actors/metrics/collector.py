"""What a scrape shows, read from where it is counted. This is the only file that knows prometheus_client.

prometheus_client's own counters cost some µs each; ours are plain numbers of the one thread that counts, and become
samples here, in the thread of whoever asks.
"""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

from actors.jobs.database import FILE_NAME
from actors.jobs.tally import Tally
from actors.metrics.catalogue import CATALOGUE
from actors.webhooks.service import Webhooks
from bus.backpressure import GONE, UNREAD
from bus.histogram import Histogram
from bus.hub import Hub
from bus.traffic import Traffic

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

WHY_LOST = {UNREAD: "unread", GONE: "gone"}

Number = float | Histogram
Reading = Iterable[tuple[tuple[str, ...], Number]]
"""Each of a metric's label values with its number."""

NOTHING: Reading = ()
"""Of a metric whose number is not known."""


class Sources(NamedTuple):
    """Where the numbers come from."""

    hub: Hub
    traffic: Traffic
    tally: Tally
    webhooks: Webhooks
    data: Path
    version: str
    ffmpeg: str


class Collector:
    """Reads all of it. `collect` is called by one thread at a time, which may be any."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """prometheus_client's hook: each metric of ours as it stands."""
        readings = self._queue() | self._jobs() | self._bus() | self._disk()
        for name, reading in readings.items():
            kind, labels, means = CATALOGUE[name]
            names = labels.split()
            if kind == "histogram":
                histogram = HistogramMetricFamily(name, means, labels=names)
                for values, number in reading:
                    assert isinstance(number, Histogram), f"{name} is one in the catalogue"
                    histogram.add_metric(values, *_buckets(number))
                yield histogram
            else:
                family = (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(name, means, labels=names)
                for values, number in reading:
                    assert not isinstance(number, Histogram), f"{name} is one number in the catalogue"
                    family.add_metric(values, number)
                yield family

    def _queue(self) -> dict[str, Reading]:
        standing, outlook = self._sources.tally.standing, self._sources.tally.outlook
        if standing is None or outlook is None:
            return {}  # the Queue has not begun: nothing is known, which is not the same as none
        age = 0.0 if outlook.oldest is None else max(0.0, time.time() - outlook.oldest)
        return {
            "rushes_jobs": _by(standing.statuses),
            "rushes_slots": _by(standing.slots),
            "rushes_slots_used": _by(standing.used),
            "rushes_draining": _one(standing.draining),
            "rushes_queue_ready": _one(outlook.ready),
            "rushes_queue_oldest_seconds": _one(age),
            "rushes_running_speed_ratio": _one(outlook.speed),
            "rushes_event_seq": _one(standing.last_seq),
            "rushes_store_full": _one(outlook.full),
            "rushes_disks_low": _one(standing.low_disks),
        }

    def _jobs(self) -> dict[str, Reading]:
        tally = self._sources.tally
        return {
            "rushes_jobs_submitted_total": _one(tally.jobs["submitted"]),
            "rushes_jobs_started_total": _one(tally.jobs["started"]),
            "rushes_jobs_ended_total": _by(tally.ended),
            "rushes_job_failures_total": _by(tally.failures),
            "rushes_jobs_requeued_total": _by(tally.requeued),
            "rushes_jobs_removed_total": _by(tally.removed),
            "rushes_job_queue_seconds": [((), tally.queue_seconds)],
            "rushes_job_run_seconds": _by(tally.run_seconds),
            "rushes_outputs_completed_total": _one(tally.outputs["files"]),
            "rushes_output_bytes_total": _one(tally.outputs["bytes"]),
            "rushes_encode_speed_ratio": [((), tally.speeds)],
            "rushes_store_commit_seconds": [((), tally.commits)],
            "rushes_store_errors_total": _one(tally.store_errors),
            "rushes_actor_restarts_total": _by(tally.restarts),
            "rushes_children_adopted_total": _one(tally.jobs["adopted"]),
            "rushes_build_info": [((self._sources.version, self._sources.ffmpeg), 1.0)],
        }

    def _bus(self) -> dict[str, Reading]:
        traffic, waiting = self._sources.traffic, self._sources.hub.waiting()
        couriers = self._sources.webhooks.couriers
        tags = {kind: str(kind.__struct_config__.tag) for kind in traffic.commands}
        return {
            "rushes_commands_total": [((tags[kind],), count) for kind, count in traffic.commands.items()],
            "rushes_command_seconds": [((tags[kind],), took) for kind, took in traffic.latency.items()],
            "rushes_commands_waiting": _by(waiting),
            "rushes_refusals_total": _by(traffic.refusals),
            "rushes_replies_dropped_total": _by({label: traffic.lost_replies[why] for why, label in WHY_LOST.items()}),
            "rushes_connections_refused_total": _one(traffic.cut_off),
            "rushes_events_published_total": _by({kind.decode(): n for kind, n in dict(traffic.events).items()}),
            "rushes_event_overflows_total": _one(traffic.overflows),
            "rushes_webhook_seq": _by({courier.name: courier.seq for courier in couriers}),
            "rushes_webhook_failing": _by({courier.name: courier.is_failing for courier in couriers}),
        }

    def _disk(self) -> dict[str, Reading]:
        data = self._sources.data
        store: Reading = NOTHING
        free: Reading = NOTHING
        size: Reading = NOTHING
        with suppress(OSError):
            found = os.statvfs(data)
            free, size = _one(found.f_bavail * found.f_frsize), _one(found.f_blocks * found.f_frsize)
            store = _one(sum(path.stat().st_size for path in (data / FILE_NAME, data / f"{FILE_NAME}-wal")))
        return {"rushes_store_bytes": store, "rushes_disk_free_bytes": free, "rushes_disk_size_bytes": size}


class Exposition:
    """A daemon's metrics as text."""

    def __init__(self, sources: Sources) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(Collector(sources))
        ProcessCollector(registry=self._registry)

    def __call__(self) -> bytes:
        """All of them as they stand. One thread at a time, which may be any."""
        return generate_latest(self._registry)


def _one(number: float) -> Reading:
    return [((), float(number))]


def _by(numbers: Mapping[str, Number]) -> Reading:
    """A metric with one label. Copied at once: the thread that counts may add another value meanwhile."""
    return [((value,), number) for value, number in dict(numbers).items()]


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """What is below each bound, and the sum of all."""
    total, counts = histogram.total, histogram.counts.copy()
    bounds = [*map(floatToGoString, histogram.bounds), "+Inf"]
    return [*zip(bounds, map(float, accumulate(counts)), strict=True)], total
