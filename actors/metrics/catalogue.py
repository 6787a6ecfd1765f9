"""Every metric that a scrape shows: its name, what kind it is, its labels, and what it means.

`deploy/docs/metrics.md` shows this table to operators, and the dashboard and the alerts may use what is here. A label
has few values, and never a job's id, a user or a path: each value is kept for ever by whoever scrapes.
"""

from typing import Literal, NamedTuple

Kind = Literal["gauge", "counter", "histogram"]


class Metric(NamedTuple):
    """One metric. `labels` are its labels' names, in one string."""

    kind: Kind
    labels: str
    means: str


CATALOGUE: dict[str, Metric] = {
    # the queue
    "rushes_jobs": Metric("gauge", "status", "jobs that there are, by status"),
    "rushes_slots": Metric(
        "gauge", "resource", "slots that there are, by resource; a job takes one of `cpu` by default"
    ),
    "rushes_slots_used": Metric("gauge", "resource", "slots that running jobs take"),
    "rushes_draining": Metric("gauge", "", "1 while no job is started: it drains, or is stopping"),
    "rushes_queue_ready": Metric(
        "gauge", "", "1 while the job that is next has the slots it needs, waits for nothing else, and is not started"
    ),
    "rushes_queue_oldest_seconds": Metric(
        "gauge", "", "since the first submitted of the queued jobs was submitted; 0 where none is queued"
    ),
    # jobs
    "rushes_jobs_submitted_total": Metric("counter", "", "jobs taken into the queue"),
    "rushes_jobs_started_total": Metric("counter", "", "times that a job got a slot"),
    "rushes_jobs_ended_total": Metric("counter", "status", "jobs that completed, failed or were cancelled"),
    "rushes_job_failures_total": Metric("counter", "code", "jobs that failed, by the code of their error"),
    "rushes_jobs_requeued_total": Metric(
        "counter",
        "why",
        "jobs that wait again: an `attempt` failed, a person said `retry`, a `stop` of the daemon, an FFmpeg that was "
        "gone when it came back (`recovery`), or no room on a `disk`",
    ),
    "rushes_jobs_removed_total": Metric("counter", "why", "jobs that were deleted, or whose time was over"),
    "rushes_job_queue_seconds": Metric(
        "histogram", "", "from when a job was submitted, or queued again, to its start; the wait after a failure too"
    ),
    "rushes_job_run_seconds": Metric("histogram", "status", "from a job's last start to its end, by what it came to"),
    # encodes
    "rushes_outputs_completed_total": Metric("counter", "", "outputs that were proved and got their name"),
    "rushes_output_bytes_total": Metric("counter", "", "size of all outputs that were completed"),
    "rushes_encode_speed_ratio": Metric(
        "histogram", "", "how fast completed outputs were encoded, in multiples of real time"
    ),
    "rushes_running_speed_ratio": Metric(
        "gauge", "", "speed of all that is being encoded, added up, in multiples of real time"
    ),
    # commands
    "rushes_commands_total": Metric("counter", "type", "well-formed commands that came in"),
    "rushes_command_seconds": Metric(
        "histogram",
        "type",
        "from when the daemon has read a command to its reply, of those without a `wait`; a `delete` is answered when "
        "the job is gone",
    ),
    "rushes_commands_waiting": Metric("gauge", "actor", "commands that wait for a part of the daemon; 50,000 may"),
    "rushes_refusals_total": Metric("counter", "code", "replies that refuse a command, by code"),
    "rushes_replies_dropped_total": Metric(
        "counter", "why", "replies that were lost: the client left too many `unread`, or had `gone`"
    ),
    "rushes_connections_refused_total": Metric("counter", "", "connections cut off because few descriptors were left"),
    # events
    "rushes_events_published_total": Metric("counter", "type", "events sent to whoever listens; a heartbeat a second"),
    "rushes_event_overflows_total": Metric(
        "counter", "", "times that a reader had 20,000 events unread, and missed what came before it had read half"
    ),
    "rushes_event_seq": Metric("gauge", "", "number of the last event on disk"),
    "rushes_webhook_seq": Metric(
        "gauge", "webhook", "number of the last event that a webhook is done with, be it of a type that it wants or not"
    ),
    "rushes_webhook_failing": Metric("gauge", "webhook", "1 while a webhook's receiver does not take what it is sent"),
    # the store and the disk
    "rushes_store_commit_seconds": Metric("histogram", "", "to commit a turn's changes: a write and an fsync"),
    "rushes_store_errors_total": Metric("counter", "", "turns that could not be written"),
    "rushes_store_bytes": Metric("gauge", "", "the store's file and its log"),
    "rushes_store_full": Metric("gauge", "", "1 while its disk is full and only what makes room is taken"),
    "rushes_disk_free_bytes": Metric("gauge", "", "room on the data folder's disk"),
    "rushes_disk_size_bytes": Metric("gauge", "", "size of the data folder's disk"),
    "rushes_disks_low": Metric(
        "gauge", "", "folders for whose outputs jobs wait, since their disk has too little room"
    ),
    # the daemon
    "rushes_actor_restarts_total": Metric("counter", "actor", "parts of the daemon that died and were started again"),
    "rushes_children_adopted_total": Metric(
        "counter", "", "FFmpegs of an earlier daemon (or part) that were taken over"
    ),
    "rushes_build_info": Metric("gauge", "version ffmpeg", "always 1; which Rushes and which FFmpeg"),
    "process_cpu_seconds_total": Metric("counter", "", "CPU time of the daemon, without its FFmpegs"),
    "process_resident_memory_bytes": Metric("gauge", "", "memory of the daemon"),
    "process_virtual_memory_bytes": Metric("gauge", "", "address space of the daemon"),
    "process_open_fds": Metric("gauge", "", "open descriptors of the daemon"),
    "process_max_fds": Metric("gauge", "", "descriptors that the daemon may have"),
    "process_start_time_seconds": Metric("gauge", "", "when the daemon started, in seconds since the epoch"),
}


def as_markdown() -> str:
    """The table, for people."""
    lines = ["| metric | type | labels | |", "| --- | --- | --- | --- |"]
    for name, metric in CATALOGUE.items():
        labels = " ".join(f"`{label}`" for label in metric.labels.split())
        lines.append(f"| `{name}` | {metric.kind} | {labels} | {metric.means} |")
    return "\n".join(lines) + "\n"
