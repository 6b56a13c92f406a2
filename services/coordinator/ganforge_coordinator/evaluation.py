"""Submitting an evaluate job: what can be wrong with it is said now, not later."""

import logging
from typing import Any

from ganforge.errors import BadInput, GanforgeError, NotFound, UnknownName
from ganforge.networks import NetworkDefinition, check_evaluation_fit
from ganforge.repository import RepositoryClient
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.evaluation import STRATEGY
from ganforge.wire.jobs import LearnJob
from ganforge.wire.weights import LATEST

logger = logging.getLogger(__name__)


def check(
    job: LearnJob,
    config: dict[str, Any],
    dataset: DatasetInfo | None,
    repository: RepositoryClient | None,
) -> None:
    """Check that a job names one generator, a version of it, and a dataset it fits.

    Args:
        job: as it was submitted.
        config: its keys, each of the right type.
        dataset: None when no learner has told of it.
        repository: asked for the version; not when None, nor when it does not answer.

    Raises:
        BadInput: there are several networks, or no tag is given.
        UnknownName: there is no such network, tag or version.
        NetworkMisfit: the network makes something else.
    """
    networks, tag = job.networks or [], config.get("tag")
    if len(networks) != 1:
        raise BadInput(f"networks: {STRATEGY} takes one generator, not {len(networks)}")
    [name] = networks
    if tag is None:
        raise BadInput("tag: name the line whose version is to be evaluated, as tag=my-run")
    if repository is None:
        return
    try:
        definition = NetworkDefinition.model_validate(repository.network(name).definition)
        repository.version(name, tag, config.get("version") or LATEST)
    except NotFound as error:
        raise UnknownName(error.detail, **error.members) from error
    except GanforgeError as error:
        logger.warning(
            "a version goes unchecked: see to the repository", extra={"why": error.detail}
        )
        return
    if dataset is not None:
        check_evaluation_fit(definition, sample_shape=dataset.input_shape, classes=dataset.classes)
