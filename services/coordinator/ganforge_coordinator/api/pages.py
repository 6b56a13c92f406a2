"""Pages for people: the jobs, one job, the buttons that steer it."""

import json
import shlex
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from ganforge.errors import NotAllowed
from ganforge.wire.jobs import Job, JobAction, JobState
from ganforge.wire.tokens import Role
from ganforge_chassis.paging import PagesOf50, url_of_next
from ganforge_chassis.tokens import Caller, require
from ganforge_coordinator import columns, gallery, history, ledger, quality, signals, views
from ganforge_coordinator.api import jobs as jobs_api
from ganforge_coordinator.api.deps import SUBMITTER, Parts, Service
from ganforge_coordinator.web import quality_chart
from ganforge_coordinator.web.origin import is_ours
from ganforge_coordinator.web.page import PageRoute, render

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LEARNERS_SHOWN = 12
TILES_SHOWN = 120
POINTS_IN_TABLE = 24
NOTES_SHOWN = 12

FIRST_COMMANDS = {
    "mnist": "ganforge learn Generator,Discriminator MNIST strategy=GANLearningStrategy "
    "generatorDim=10 batchSize=16 method=SGD learningRate=0.001 momentum=0.9 clean=true",
    "digits": "ganforge learn DigitsGenerator,DigitsDiscriminator digits generatorDim=10 "
    "batchSize=64 method=ADAM learningRate=0.001 maxIterations=3000 storeInterval=100",
}
"""What to type into a terminal when there are no jobs yet."""

Reader = Annotated[Caller, Depends(require(Role.READ))]


class Show(StrEnum):
    """Which jobs to list."""

    ALL = "all"
    ACTIVE = "active"
    FINISHED = "finished"

    @property
    def states(self) -> list[JobState]:
        """The states those jobs are in; none means any."""
        if self is Show.ALL:
            return []
        return [state for state in JobState if state.is_final is (self is Show.FINISHED)]


def from_our_page(request: Request) -> None:
    """Let only our own pages' forms through.

    Raises:
        NotAllowed: the form came from elsewhere.
    """
    if not is_ours(request.headers):
        raise NotAllowed("this form was sent from another site's page: nothing was done")


OURS = Depends(from_our_page)


@router.get("/")
def jobs(
    request: Request,
    parts: Parts,
    caller: Reader,
    pages: PagesOf50,
    show: Show = Show.ALL,
) -> Response:
    """Show the jobs, newest first, and the learners."""
    page = jobs_api.list_jobs(parts, pages, show.states)
    with parts.database.read() as connection:
        learners = views.all_learners(connection)
    return render(
        request,
        "jobs.html",
        role=caller.role,
        jobs=page.items,
        pictures={job.id: _newest_picture(job) for job in page.items},
        show=show,
        shows=list(Show),
        older=url_of_next(request, page.next_page_token),
        is_first="pageToken" not in request.query_params,
        commands=FIRST_COMMANDS,
        reads_mnist=any("MNIST" in learner.datasets for learner in learners),
        learners=learners[:LEARNERS_SHOWN],
        learners_left_out=max(0, len(learners) - LEARNERS_SHOWN),
    )


@router.get("/jobs/{job_id}")
def job(
    job_id: str,
    request: Request,
    parts: Parts,
    caller: Reader,
    version: int | None = None,
    live: bool = False,
) -> Response:
    """Show a job; ``live`` leaves out what an open page draws by itself."""
    with parts.database.read() as connection:
        row = ledger.find(connection, job_id)
        told = views.job(connection, row, parts.settings.repository_public_url)
        frames = [] if live else gallery.frames(connection, row)
        notes = quality.told(connection, job_id)
        waits = told.state is JobState.QUEUED
        learners = views.all_learners(connection) if waits else []
    chosen = next((frame for frame in frames if frame.version == version), None)
    return render(
        request,
        "job.html",
        role=caller.role,
        job=told,
        last_seq=row["last_seq"],
        drawing=gallery.drawing_network(told.networks, told.config, told.weights),
        frames=[[frame.version, frame.iteration] for frame in frames],
        tiles=gallery.thinned(frames, TILES_SHOWN),
        chosen=chosen or (frames[-1] if frames else None),
        live=live,
        table=None if live else _table(parts, job_id),
        notes=notes[-NOTES_SHOWN:],
        best=quality.best(notes),
        figures=quality_chart.draw(notes),
        has_learner=any(learner.is_alive for learner in learners),
        commands=_commands(told, str(request.base_url).rstrip("/")),
    )


@router.post("/jobs/{job_id}/{action}", dependencies=[OURS, SUBMITTER])
def steer(job_id: str, action: JobAction, parts: Parts) -> Response:
    """Stop, pause, resume, cancel or retry a job, then show it."""
    with parts.database.write() as connection:
        jobs_api.steer(connection, job_id, action)
    parts.signals.notify(signals.QUEUE, signals.of_job(job_id))
    return RedirectResponse(f"/jobs/{job_id}", status_code=303)


def _newest_picture(job: Job) -> str | None:
    network = gallery.drawing_network(job.networks, job.config, job.weights)
    link = job.weights.get(network)
    return None if link is None else f"/jobs/{job.id}/samples/{network}/{link.version}.png"


def _table(parts: Service, job_id: str) -> dict[str, Any]:
    """Give the losses as a table: few rows, evenly spread, the newest last."""
    with parts.database.read() as connection:
        points = columns.join(history.read(connection, history.find(connection, job_id)))
    step = max(1, -(-len(points) // POINTS_IN_TABLE))
    few = points.take(slice((len(points) - 1) % step if len(points) else 0, None, step))
    series = [columns.as_json(column) for column in few.series.values()]
    rows = list(zip(few.iterations.tolist(), *series, strict=True))
    return {"names": list(few.series), "rows": rows, "total": len(points)}


def _commands(job: Job, server: str) -> dict[str, str]:
    """Say how to ask for the same job again: by HTTP and on the command line."""
    body: dict[str, Any] = {"networks": job.networks, "dataset": job.dataset, "config": job.config}
    words = [",".join(job.networks), job.dataset]
    if job.target_filter is not None:
        body |= job.model_dump(mode="json", include={"target_filter"})
        words.append(f"targetFilter={_plain(body['targetFilter'])}")
    words += [f"{key}={_plain(value)}" for key, value in job.config.items() if value is not None]
    curl = (
        f"curl {shlex.quote(server + '/v1/jobs')} \\\n"
        '  -H "Authorization: Bearer $GANFORGE_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(json.dumps(body))}"
    )
    return {"curl": curl, "ganforge": f"ganforge learn {shlex.join(words)}"}


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
