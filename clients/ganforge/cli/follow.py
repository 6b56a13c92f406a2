"""Following a job: its state in words, its progress as a bar or as plain lines."""

import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ganforge.cli import exits
from ganforge.cli.output import duration, is_terminal, say

if TYPE_CHECKING:
    from ganforge.client import Client
    from ganforge.wire.jobs import Collapse, Job, JobEvent

LINE_SECONDS = 5.0
RATE_WINDOW_SECONDS = 10.0


class Standing:
    """How far a job is, as its events tell."""

    def __init__(self, job: "Job") -> None:
        self.target = job.max_iterations
        self.iteration = 0
        self.losses: dict[str, float | None] = {}
        self.versions: dict[str, int] = {}
        self._laps: deque[tuple[datetime, int]] = deque()

    def hear(self, event: "JobEvent") -> None:
        """Take in a progress or a snapshot event."""
        if event.type == "progress":
            series = event.data["series"]
            self.losses = {name: column[-1] for name, column in series.items()}
            self._advance(event.at, event.data["iterations"][-1] + 1)
        elif event.type == "snapshot":
            self.versions = event.data["versions"]

    def _advance(self, at: datetime, iteration: int) -> None:
        if iteration < self.iteration:  # an attempt that went on from an older snapshot
            self._laps.clear()
        self.iteration = iteration
        self._laps.append((at, iteration))
        while (at - self._laps[0][0]).total_seconds() > RATE_WINDOW_SECONDS and len(self._laps) > 2:
            self._laps.popleft()

    @property
    def rate(self) -> float | None:
        """Iterations per second, lately."""
        if len(self._laps) < 2:
            return None
        (began, first), (ended, last) = self._laps[0], self._laps[-1]
        seconds = (ended - began).total_seconds()
        return (last - first) / seconds if seconds > 0 and last > first else None

    @property
    def seconds_left(self) -> float | None:
        """How long the job will take, at this rate; None when that cannot be told."""
        if self.rate is None or self.target is None:
            return None
        return max(0, self.target - self.iteration) / self.rate

    def words(self, *, over: bool) -> str:
        """Say all of it in one line."""
        left = "" if over else self.left_words()
        words = self.count_words(), self.loss_words(), self.rate_words(), left, self.saved_words()
        return "  ".join(filter(None, words))

    def loss_words(self) -> str:
        """Say both losses: the discriminator's is that on real and on fake images together."""
        losses = dict(self.losses)
        words = []
        real, fake = losses.pop("dLossReal", None), losses.pop("dLossFake", None)
        if real is not None and fake is not None:
            words.append(f"D {real + fake:.3f}")
        generator = losses.pop("minibatchLoss", None)
        if generator is not None:
            words.append(f"G {generator:.3f}" if words else f"loss {generator:.3f}")
        words += [f"{name} {value:.3f}" for name, value in losses.items() if value is not None]
        return "  ".join(words)

    def rate_words(self) -> str:
        """Say the rate."""
        return "" if self.rate is None else f"{self.rate:,.0f} it/s"

    def left_words(self) -> str:
        """Say how long it will take."""
        return "" if self.seconds_left is None else f"{duration(self.seconds_left)} left"

    def saved_words(self) -> str:
        """Say which version was saved last."""
        newest = max(self.versions.values(), default=None)
        return "" if newest is None else f"v{newest} saved"

    def count_words(self) -> str:
        """Say how many iterations are done, and of how many."""
        of = "" if self.target is None else f"/{self.target:,}"
        return f"{self.iteration:,}{of}"


class Display(Protocol):
    """Shows a standing to people."""

    def show(self, standing: Standing, *, over: bool = False) -> None:
        """Show it, if it is time."""

    def say(self, text: str) -> None:
        """Say a sentence in between."""


class Lines:
    """Plain lines, one every few seconds: for files and logs.

    Args:
        before: what each line begins with.
    """

    def __init__(self, before: str = "") -> None:
        self._before = before
        self._last = time.monotonic()
        self._shown = 0

    def show(self, standing: Standing, *, over: bool = False) -> None:
        """Print a line when the last one is old enough."""
        now = time.monotonic()
        new = standing.iteration != self._shown
        if new and (over or now - self._last >= LINE_SECONDS):
            self._last, self._shown = now, standing.iteration
            self.say(standing.words(over=over))

    def say(self, text: str) -> None:
        """Print a line."""
        say(self._before + text)


class Bar:
    """A progress bar on a terminal.

    Args:
        progress: rich's, already started.
    """

    def __init__(self, progress: Any) -> None:
        self._progress = progress
        self._task: Any = None

    def show(self, standing: Standing, *, over: bool = False) -> None:
        """Move the bar."""
        if not standing.iteration:
            return
        words = standing.words(over=over)
        if self._task is None:
            self._task = self._progress.add_task(words, total=standing.target)
        self._progress.update(self._task, completed=standing.iteration, description=words)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


def follow(client: "Client", job: "Job", *, expect_learner: bool = False) -> "Job":
    """Show a job's progress on stderr until it is over, and give it as it is then.

    Args:
        client: where the job is.
        job: the job.
        expect_learner: whether a learner is about to come, so that nobody need be told of none.
    """
    standing = Standing(job)
    with _display() as display:
        if not expect_learner:
            _tell_what_it_waits_for(job, display)
        for event in client.jobs.events(job.id):
            _show(client, event, standing, display)
        display.show(standing, over=True)
    job = client.jobs.get(job.id)
    say(end_words(job))
    return job


def follow_many(client: "Client", jobs: "Sequence[Job]") -> "list[Job]":
    """Show the progress of several jobs as lines until all are over, and give them as they are."""
    standings = {job.id: Standing(job) for job in jobs}
    lines = {job.id: Lines(f"{job.id}: ") for job in jobs}
    for event in client.jobs.follow(*standings):
        _show(client, event, standings[event.job], lines[event.job])
    ended = [client.jobs.get(job_id) for job_id in standings]
    for job in ended:
        lines[job.id].show(standings[job.id], over=True)
        say(end_words(job))
    return ended


def _show(client: "Client", event: "JobEvent", standing: Standing, display: Display) -> None:
    standing.hear(event)
    if event.type == "quality":
        display.say(quality_words(event.data))
    if event.type == "state" and (words := state_words(client, event.job, event.data)):
        display.say(words)
    elif event.type == "collapse":
        display.say(f"warning: {_collapsed(**event.data)}")
    elif event.type == "retired":
        display.say(event.data["detail"])
    display.show(standing)


class TooLate(Exception):
    """The job goes on for longer than somebody wanted to wait."""


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Raise ``TooLate`` in this, the main thread, after so many seconds; never when None."""
    if seconds is None:
        yield
        return

    def ring(signum: int, frame: object) -> None:
        raise TooLate

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _display() -> AbstractContextManager[Display]:
    if not is_terminal():
        return nullcontext(Lines())
    from rich.console import Console

    console = Console(stderr=True)
    return nullcontext(Lines()) if console.is_dumb_terminal else _bar(console)


@contextmanager
def _bar(console: Any) -> Iterator[Display]:
    from rich.progress import BarColumn, Progress, TextColumn

    columns = BarColumn(bar_width=24), TextColumn("{task.description}", markup=False)
    with Progress(*columns, console=console) as progress:
        yield Bar(progress)


def _tell_what_it_waits_for(job: "Job", display: Display) -> None:
    """Say why nothing happens yet, where that is known."""
    if job.waiting_for is not None:
        display.say(f"the job waits: {job.waiting_for}")


def filter_words(job: "Job") -> str:
    """Say which learners may work on a job, as it was submitted."""
    asked = job.target_filter
    if asked is None or isinstance(asked, str):
        return asked or ""
    return asked.model_dump_json(exclude_defaults=True)


def state_words(client: "Client", job_id: str, facts: dict[str, Any]) -> str:
    """Say a change of state that people want to know of; the end is told elsewhere."""
    match facts["state"]:
        case "RUNNING":
            if facts.get("desired", "RUN") != "RUN":
                return f"asked to {str(facts['desired']).lower()}: the last snapshot is on its way"
            attempts = client.jobs.get(job_id).attempts
            return f"running on {', '.join(attempts[-1].learners)}" if attempts else "running"
        case "PAUSED":
            return f"paused; go on with: ganforge jobs resume {job_id}"
        case "QUEUED" if facts.get("reason") or facts.get("error"):
            error = facts.get("error") or {}
            why = error.get("detail") or str(facts.get("reason")).lower()
            return f"queued again: {why}"
    return ""


def collapse_words(collapse: "Collapse") -> str:
    """Say when and how a generator collapsed, and what to do."""
    return _collapsed(collapse.iteration, collapse.detail)


def _collapsed(iteration: int, detail: str) -> str:
    return (
        f"the generator has collapsed at iteration {iteration:,} ({detail}): stop the job, and "
        "try a smaller learningRate, another strategy or another seed"
    )


def quality_words(facts: dict[str, Any]) -> str:
    """Say how good a version is, beside what real images get."""
    quality = facts["quality"]
    words = f"{facts['network']}@{facts['tag']}:{facts['version']}"
    words += f" at {facts['iteration']:,}: fcd {quality['fcd']:.1f}"
    words += f" (real {quality['floor']['fcd']:.1f}), coverage {quality['coverage']:.2f}"
    if quality["classesCovered"] is not None:
        words += f", {quality['classesCovered']} classes"
    return words + (", the best so far" if facts["isBest"] else "")


def end_words(job: "Job") -> str:
    """Say how a job ended."""
    if job.state == "FAILED":
        from ganforge.jobs import why_failed

        return f"error: {why_failed(job)}"
    if job.state == "CANCELLED":
        return f"{job.id} was cancelled after {job.iteration:,} iterations"
    took = duration(((job.finished_at or job.updated_at) - job.created_at).total_seconds())
    done = _ENDS.get(job.reason or "", "done")
    return f"{job.id} is {done}: {job.iteration:,} iterations in {took}"


_ENDS = {
    "STOPPED_EARLY": "stopped early",
    "LEVELLED_OFF": "done, since its loss fell no further (minibatchLossThreshold)",
    "COLLAPSED": "ended early, since its generator collapsed (stopOnCollapse)",
}


def exit_code_of(*jobs: "Job") -> int:
    """Give the exit code that follows the end of one job, or of several."""
    return exits.OK if all(job.state == "SUCCEEDED" for job in jobs) else exits.JOB_FAILED
