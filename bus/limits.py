"""Every size limit of the wire, each with its reason. The protocol document repeats them."""

PROTOCOL_VERSION = 1
"""The `v` of every message. Changes within a version are additive only."""

MAX_BODY_BYTES = 1024 * 1024
"""A command's body. A thousand-argument spec is 20 kB; a megabyte leaves room and bounds what one peer can cost."""

MAX_FRAME_BYTES = 16 * MAX_BODY_BYTES
"""What ZeroMQ itself takes before it drops the connection. Above MAX_BODY_BYTES, so that one who sends a body
too large is told `too_large` and not cut off without a word."""

MAX_TOPIC_BYTES = 256
"""What a subscriber may ask for at once, with the byte before it: the longest topic, job.<id>.<kind>, has 40. libzmq
keeps some 30 bytes for each byte of it."""

MAX_NESTING = 8
"""Maps and arrays within each other. The deepest valid command (submit: job, outputs, inputs, args) needs 7."""

MAX_CONTAINERS = 50_000
"""Maps and arrays of one command: a megabyte of empty ones would hold up the bus for half a second. The largest job, of
256 outputs with 64 inputs each, has 33,540."""

MAX_ID_CHARS = 64
"""A command's id or a job's id; a UUID has 36."""

MAX_NAME_CHARS = 200
"""A job's, output's or session's name: one line of a table, with room."""

MAX_PATH_CHARS = 4096
"""Linux' own PATH_MAX. An lavfi graph stands where a path stands and has the same bound."""

MAX_ARG_CHARS = 16_384
"""One FFmpeg argument; filter graphs of real edits reach a few thousand characters."""

MAX_ARGS = 512
"""Arguments of one input or one output."""

MAX_INPUTS = 64
"""Inputs of one FFmpeg run: it opens them all at once, and 1,024 open files is a usual limit."""

MAX_OUTPUTS = 256
"""Outputs of one job: each is in the job's view, and a list holds a thousand views."""

MAX_METADATA_ENTRIES = 64
"""Entries of `metadata`."""

MAX_METADATA_CHARS = 1024
"""A key or a value of `metadata`."""

MAX_REASON_CHARS = 100
"""The `reason` of a cancel: a code or a phrase."""

MAX_NOTES_CHARS = 500
"""The `notes` of a cancel: a few sentences."""

MAX_FORMAT_CHARS = 64
"""The name of a preset."""

CPU = "cpu"
"""The resource of which a job takes one that does not say what it takes."""

MAX_SLOTS = 1024
"""Of one resource: each child has a thread, and takes at least one of something."""

MAX_RESOURCES = 16
"""Kinds of resources of one machine: processors, and what it has of encoders, decoders, memory and licences."""

MAX_RESOURCE_CHARS = 32
"""The name of a resource: a word."""

MIN_PRIORITY, MAX_PRIORITY = -1000, 1000
"""The range of `priority`."""

MAX_ATTEMPTS = 20
"""The range of `max_attempts` begins at 1."""

MAX_WAIT_SECONDS = 3600
"""How long one request may hold its reply."""

MAX_SECONDS = 10 * 365 * 86_400
"""Ten years: the bound of `timeout`, `stall_timeout` and `ttl`, so that a date made with them exists."""

MAX_PAGE = 1000
"""Entries of one reply to `list`, `events` or `audit`."""

MAX_REPLY_BYTES = 4 * MAX_BODY_BYTES
"""A page ends early here, with its cursor, so that a reply has a bound whatever the entries hold."""

MAX_LOG_BYTES = 256 * 1024
"""Text in one reply to `log`: what is kept of one attempt's stderr."""

MAX_TAIL_LINES = 100_000
"""The range of `tail`; MAX_LOG_BYTES cuts long before."""

MAX_SEQ = 2**63 - 1
"""A seq, an offset: what SQLite can hold."""
