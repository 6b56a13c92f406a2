"""Submitting a learn job: everything that can be wrong with it is said now, not later."""

import json
import logging
import secrets
from typing import Any

from sqlalchemy import Connection, insert

from ganforge.errors import (
    BadInput,
    GanforgeError,
    NotFound,
    UnknownName,
)
from ganforge.networks import NetworkDefinition, check_gan_fit, find_places
from ganforge.repository import RepositoryClient
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.evaluation import STRATEGY
from ganforge.wire.jobs import Desired, JobState, LearnJob
from ganforge.wire.strategies import BUILT_IN
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import catalog, evaluation, fitting, ledger
from ganforge_coordinator.db.models import jobs
from ganforge_coordinator.ledger import JobRow

logger = logging.getLogger(__name__)

DEFAULT_STRATEGY = "GANLearningStrategy"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's, without look-alikes


def check(
    connection: Connection, job: LearnJob, repository: RepositoryClient | None
) -> dict[str, Any]:
    """Check a job and give its whole config: defaults filled in, a seed drawn.

    The networks are checked when the repository answers; the learner checks them again before the
    first iteration, so a job is never refused because the repository is away.

    Raises:
        UnknownName: an unknown network, dataset, strategy or config key, with the nearest known.
        BadInput: a config value of the wrong type or out of range, or a dataset that is broken.
        NetworkMisfit: networks that do not fit each other, the config or the dataset.
    """
    fitting.selector_of(job.target_filter)  # refuses what cannot be read
    if job.networks is None or job.dataset is None:
        raise AssertionError("a recipe fills in what is left out, before the job is checked")
    config = _check_config(connection, job)
    _check_count(connection, job.target_count, config["strategy"])
    known = catalog.datasets(connection)
    if known and job.dataset not in known:
        raise catalog.unknown_dataset(connection, job.dataset, known)
    if config["strategy"] == STRATEGY:
        evaluation.check(job, config, known.get(job.dataset), repository)
    elif repository is not None:
        definitions = _find_networks(job.networks, config.get("initTag"), repository)
        dataset = known.get(job.dataset)
        sizes = {definition.name: len(definition.modules) for definition in definitions}
        if sizes:
            find_places(config.get("fixed", ()), sizes, key="fixed")
        if definitions and dataset and config["strategy"] in BUILT_IN:
            _check_fit(definitions, config, dataset)
    return config


def _check_count(connection: Connection, count: int, strategy: str) -> None:
    """Refuse a job for more learners than can work on it together, as far as learners have told."""
    most = catalog.most_learners(connection, strategy) if count > 1 else 1
    if count <= most:
        return
    detail = (
        f"targetCount: no learner here can follow {strategy} together with others; leave it at 1"
        if most == 1
        else f"targetCount: at most {most} learners can follow {strategy} together"
    )
    raise BadInput(detail, errors=[{"pointer": "/targetCount", "detail": detail}])


def _check_config(connection: Connection, job: LearnJob) -> dict[str, Any]:
    strategy = job.config.get("strategy", DEFAULT_STRATEGY)
    known = catalog.strategy(connection, strategy) if isinstance(strategy, str) else None
    if known is None:
        names = catalog.strategies(connection)
        raise catalog.unknown("strategy", str(strategy), names, "/config/strategy")
    given = {**job.config, "strategy": strategy}
    config = catalog.checked_config(given, known.config_schema)
    # Fixed now, so that another learner can go on exactly where the last one was.
    config.setdefault("seed", secrets.randbits(31))
    return config


def _find_networks(
    names: list[str], init_tag: str | None, repository: RepositoryClient
) -> list[NetworkDefinition]:
    """Find the networks and the weights to start from; none when the repository does not answer."""
    try:
        found = [repository.network(name) for name in names]
        if init_tag is not None:
            for name in names:
                repository.version(name, init_tag)
    except NotFound as error:
        raise UnknownName(error.detail, **error.members) from error
    except GanforgeError as error:
        # Whatever is wrong there is the operator's business, not the submitter's.
        logger.warning("networks go unchecked: see to the repository", extra={"why": error.detail})
        return []
    return [NetworkDefinition.model_validate(summary.definition) for summary in found]


def _check_fit(
    definitions: list[NetworkDefinition], config: dict[str, Any], dataset: DatasetInfo
) -> None:
    """Check the networks of a built-in strategy; a plug-in's own are the learner's to check."""
    if len(definitions) != 2:
        raise BadInput(
            f"networks: {config['strategy']} takes a generator and a discriminator, "
            f"not {len(definitions)} networks"
        )
    generator, discriminator = definitions
    keys = BUILT_IN[config["strategy"]].config.model_validate(config)
    check_gan_fit(
        generator,
        discriminator,
        keys,
        sample_shape=dataset.input_shape,
        classes=dataset.classes,
    )


def canonical(job: LearnJob) -> bytes:
    """Say a job as bytes, by which the same request is known again.

    Raises:
        BadInput: the config holds what cannot be said in JSON again.
    """
    try:
        said = job.model_dump(mode="python")
        return json.dumps(said, allow_nan=False, ensure_ascii=False, sort_keys=True).encode()
    except (ValueError, RecursionError):
        raise BadInput(
            "config: it holds NaN, infinity or half a character, or is nested too deeply"
        ) from None


def enter(
    connection: Connection,
    job: LearnJob,
    config: dict[str, Any],
    *,
    lease_ms: int,
) -> JobRow:
    """Put a checked job into the queue; its leases will live for ``lease_ms``."""
    job_id = "job-" + "".join(secrets.choice(_ALPHABET) for _ in range(8))
    wanted = fitting.selector_of(job.target_filter)
    values = {
        **job.model_dump(
            mode="python", by_alias=False, exclude={"config", "target_filter", "stall_seconds"}
        ),
        "id": job_id,
        "target_filter": job.model_dump(mode="json", include={"target_filter"})["targetFilter"],
        "selector_id": None if wanted is None else fitting.enter_selector(connection, wanted),
        "config": config,
        "strategy": config["strategy"],
        "tag": config.get("tag") or job_id,
        "state": JobState.QUEUED,
        "desired": Desired.RUN,
        "epoch": 0,
        "failures": 0,
        "losses": 0,
        "max_failures": 3,
        "max_losses": 10,
        "run_after_ms": 0,
        "lease_ttl_ms": lease_ms,
        "stall_ms": None if job.stall_seconds is None else round(1000 * job.stall_seconds),
        "iteration": 0,
        "max_iterations": config.get("maxIterations"),
        "weights": {},
        "last_seq": 0,
        "created_ms": now_ms(),
        "updated_ms": now_ms(),
    }
    row = connection.execute(insert(jobs).values(values).returning(*jobs.c)).mappings().one()
    ledger.append_event(connection, row, "state", {"state": "QUEUED", "desired": "RUN"})
    return row
