"""All that a round's seed decides: what each client sends, and what is done to the daemon and its children.

A plan holds no clock and no job id, so that the same seed gives the same plan for ever. Which jobs there are when a
step's turn comes, and where a strike hits, is for the machine to say: timing cannot be replayed.
"""

from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from tests.soak.recipes import RECIPES
from tests.support.wire import Map

Manner = Literal["once", "twice", "vanish"]


class Scale(NamedTuple):
    """How large a round is.

    Attributes:
        clients: how many there are.
        steps: what each of them does.
        strikes: what is done to the daemon and its children.
        pace: by which every pause is multiplied.
        patience: the most seconds for which jobs may go on once all has been said and done.

    """

    clients: int
    steps: int
    strikes: int
    pace: float
    patience: float


FULL = Scale(clients=3, steps=15, strikes=7, pace=0.7, patience=1.5)
"""Some 25 jobs, 70 commands and 5 deaths of the daemon in 5 to 8 s on two cores."""

SHORT = Scale(clients=2, steps=4, strikes=3, pace=0.4, patience=0.2)
"""For `make test`: ten of these within 35 s."""

SLOTS = {"cpu": 3, "nvenc": 1}
"""What the daemon is configured to have. Nobody looks what an `nvenc` is: a resource is a name and a number."""

GRACE = 0.3
"""Seconds, so that the whole ladder fits into a round several times."""

RETRY_SECONDS = 0.1
"""Before another attempt, where there is one: so that it falls into the round."""

STEP_SECONDS = (0.0, 0.45)
STRIKE_SECONDS = (0.05, 0.7)
"""Pauses before a client's next step, and before the next strike."""

AWAY_SECONDS = 0.5
"""The longest that nobody serves: enough for most children to end meanwhile."""

WAIT_SECONDS = (0.1, 0.8)

EXISTING = tuple(f"old-{number}.mp4" for number in range(3))
"""Files that are there before the round; some jobs are to overwrite them."""

SHARED = ("shared-0.mp4", "shared-1.mp4")
"""Outputs that several jobs want."""

KINDS = {
    "submit": 55, "cancel": 13, "delete": 10, "boost": 9, "retry": 8, "get": 6, "list": 4, "events": 3, "log": 2,
    "status": 1, "audit": 1, "drain": 2, "resume": 5, "pause": 24, "unpause": 16, "slots": 8, "why": 3, "session": 1,
    "formats": 1,
}  # fmt: skip

TRIED = frozenset({"submit", "cancel", "delete", "boost", "retry"})
"""Commands of which some are only tried, with `dry_run`."""

TRIED_SHARE = 0.1

NEEDS: tuple[Map, ...] = ({"cpu": 2}, {"cpu": 3}, {"nvenc": 1}, {"cpu": 1, "nvenc": 1})
"""What a job may take instead of one `cpu`."""

NEEDING_SHARE = 0.35
"""Enough that a large job often waits and small ones stand behind it, and that most jobs still run at once."""

SESSIONS = ("one", "two")

MANNERS: dict[Manner, int] = {"once": 75, "twice": 12, "vanish": 13}
"""Whether a client sends a command once, twice in a row, or once without ever asking for the reply."""

STRIKES = {
    "kill": 14, "kill_at_event": 32, "kill_and_stay_away": 12, "kill_while_starting": 12, "kill_with_child": 8,
    "terminate": 6, "terminate_and_kill": 8, "shutdown": 3, "leave": 8, "hurry": 4,
    "kill_ffmpeg": 4, "kill_shim": 4, "kill_group": 3, "terminate_group": 2,
    "freeze_ffmpeg": 4, "freeze_group": 4, "thaw": 4, "intrude": 8, "replace": 5,
}  # fmt: skip

EVENTS = {
    "job.submitted": 4, "job.started": 2, "job.output_started": 2, "job.output_completed": 4, "job.completed": 2,
    "job.cancelling": 3, "job.signalled": 2, "job.cancelled": 6, "job.failed": 2, "job.requeued": 2,
    "job.deleted": 2, "job.boosted": 1, "job.paused": 4, "job.unpaused": 3, "daemon.slots": 1,
}  # fmt: skip
"""At which the daemon is killed by `kill_at_event`: the steps of a job's life that are heard of."""


class Order(NamedTuple):
    """A job to be submitted. Its paths are relative to the output folder; `seconds` are each output's."""

    recipe: str
    job: Map
    seconds: float

    def spec(self, out: Path) -> Map:
        """The job for this output folder."""
        outputs = [{**output, "path": str(out / output["path"])} for output in self.job["outputs"]]
        return {**self.job, "outputs": outputs}

    def last_path(self, out: Path) -> Path:
        """Where its last output is to be."""
        return out / str(self.job["outputs"][-1]["path"])


class Wish(NamedTuple):
    """A command to be sent. `nth` is the job meant, counted from the newest of which the clients know."""

    kind: str
    manner: Manner
    nth: int
    fields: Map
    order: Order | None


class Step(NamedTuple):
    """Commands that a client sends at once, after a pause."""

    pause: float
    wishes: tuple[Wish, ...]


class Strike(NamedTuple):
    """Something that is done to the daemon or to a child of the `nth` job that has one, after a pause.

    `seconds` is for those that take some time, `event` for the one that waits for it.
    """

    pause: float
    kind: str
    nth: int
    seconds: float
    event: str


class Plan(NamedTuple):
    """A round.

    At its end an output of the `replaced`th completed job is replaced, and each `tidied`th of all jobs deleted.
    """

    seed: int
    patience: float
    clients: tuple[tuple[Step, ...], ...]
    strikes: tuple[Strike, ...]
    replaced: int
    tidied: int


def plan(seed: int, scale: Scale) -> Plan:
    """The plan that this seed gives. Each client, and the strikes, have random choices of their own."""
    return Plan(
        seed,
        round(Random(f"{seed} patience").uniform(0, scale.patience), 1),
        tuple(_client(Random(f"{seed} client {name}"), name, scale) for name in range(scale.clients)),
        tuple(_strike(Random(f"{seed} strike {number}"), scale.pace) for number in range(scale.strikes)),
        Random(f"{seed} replaced").randrange(100),
        Random(f"{seed} tidied").randint(3, 5),
    )


def _strike(rng: Random, pace: float) -> Strike:
    (kind,) = rng.choices(list(STRIKES), list(STRIKES.values()))
    (event,) = rng.choices(list(EVENTS), list(EVENTS.values()))
    pause, away = pace * rng.uniform(*STRIKE_SECONDS), pace * rng.uniform(0, AWAY_SECONDS)
    return Strike(pause, kind, rng.randrange(100), away, event)


def _client(rng: Random, name: int, scale: Scale) -> tuple[Step, ...]:
    return tuple(_step(rng, f"{name}-{number}", scale.pace, is_first=number == 0) for number in range(scale.steps))


def _step(rng: Random, name: str, pace: float, *, is_first: bool) -> Step:
    """Every client begins with jobs: there must be something to talk about."""
    (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
    if is_first:
        kind = "submit"
    pause = 0.0 if is_first else pace * rng.uniform(*STEP_SECONDS)
    many = rng.randint(2, 4) if is_first or rng.random() < 0.15 else 1
    return Step(pause, tuple(_wish(rng, kind, f"{name}-{number}") for number in range(many)))


def _wish(rng: Random, kind: str, name: str) -> Wish:
    (manner,) = rng.choices(list(MANNERS), list(MANNERS.values()))
    order = _order(rng, name) if kind == "submit" else None
    fields = _fields(rng, kind)
    if kind in {"submit", "cancel", "delete", "get", "retry", "pause", "unpause"} and rng.random() < 0.25:
        fields["wait"] = round(rng.uniform(*WAIT_SECONDS), 1)
    if kind in TRIED and rng.random() < TRIED_SHARE:
        fields["dry_run"] = True
    return Wish(kind, manner, int(rng.expovariate(0.35)), fields, order)


def _fields(rng: Random, kind: str) -> Map:
    choices: dict[str, list[Map]] = {
        "cancel": [{}, {"reason": "changed my mind"}, {"notes": "wrong take"}],
        "delete": [{"force": True}, {"force": True}, {}, {"keep_files": True}, {"force": True, "keep_files": True}],
        "boost": [{"front": True}, {"by": rng.randint(-2, 2)}, {"priority": rng.randint(-3, 3)}],
        "list": [{}, {"order": "queue"}, {"status": ["queued", "processing"], "order": "oldest"}, {"limit": 3}],
        "events": [{}, {"limit": 20}],
        "pause": [{}, {"release": True}],
        "slots": [{"slots": {name: rng.choice((0, 1, total, total + 1))}} for name, total in SLOTS.items()],
        "session": [{"session": session} for session in SESSIONS],
    }
    return dict(rng.choice(choices.get(kind, [{}])))


def _order(rng: Random, name: str) -> Order:
    (kind,) = rng.choices(list(RECIPES), [recipe.weight for recipe in RECIPES.values()])
    recipe = RECIPES[kind]
    paths = [Path(f"{name}-{number}.mp4") for number in range(rng.randint(min(2, recipe.outputs), recipe.outputs))]
    more: Map = {"priority": rng.choice((0, 0, 0, 1, -1)), "metadata": {"recipe": kind}, **recipe.more(rng)}
    contested = rng.random()
    if contested < 0.12:
        paths[-1] = Path(rng.choice(EXISTING))
    elif contested < 0.24:
        paths[-1] = Path(rng.choice(SHARED))
    if contested < 0.24:
        more["overwrite"] = rng.random() < 0.8
    if rng.random() < NEEDING_SHARE:
        more["resources"] = rng.choice(NEEDS)
    more["session"] = rng.choice((*SESSIONS, None))
    made = recipe.make(rng, paths)
    return Order(kind, {**made.job, **more}, made.seconds)
