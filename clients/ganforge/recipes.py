"""Recipes: whole learn jobs by name, each a place to start from; pure data and how to use it."""

from difflib import get_close_matches
from typing import Any

from pydantic import Field

from ganforge.errors import BadInput, UnknownName
from ganforge.wire.jobs import LearnJob
from ganforge.wire.model import WireModel

KEY = "recipe"
"""The config key that names a recipe."""


class Recipe(WireModel):
    """A learn job that is known to work."""

    name: str
    summary: str = Field(description="one sentence")
    networks: list[str]
    dataset: str
    config: dict[str, Any] = Field(description="the config keys it sets; all others keep theirs")
    measured: str = Field("", description="the time it took and what came of it, where measured")


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="digits",
        summary="Perceptrons on scikit-learn's 8x8 digits, which every learner has: the demo's.",
        networks=["DigitsGenerator", "DigitsDiscriminator"],
        dataset="digits",
        config={
            "strategy": "GANLearningStrategy",
            "generatorDim": 10,
            "method": "ADAM",
            "learningRate": 0.001,
            "beta1": 0.5,
            "beta2": 0.99,
            "batchSize": 128,
            "maxIterations": 3000,
            "storeInterval": 100,
            "seed": 1,
        },
        measured="about 20 s on one CPU thread",
    ),
    Recipe(
        name="seed",
        summary="DIANNE's command as it stands: perceptrons on MNIST, SGD with momentum.",
        networks=["Generator", "Discriminator"],
        dataset="MNIST",
        config={
            "strategy": "GANLearningStrategy",
            "generatorDim": 10,
            "batchSize": 16,
            "method": "SGD",
            "learningRate": 0.001,
            "momentum": 0.9,
            "trace": True,
            "clean": True,
        },
        measured="306 iterations/s on one CPU thread; runs until stopped; three seeds at 20,000 "
        "iterations: 9 or 10 digits, class KL 0.11 to 0.34, distance 548 to 719",
    ),
    Recipe(
        name="mnist",
        summary="Small convolutional networks on MNIST that are told the classes.",
        networks=["ConditionalDCGANGenerator28Small", "ConditionalDCGANDiscriminator28Small"],
        dataset="MNIST",
        config={
            "strategy": "GANLearningStrategy",
            "conditional": True,
            "generatorDim": 64,
            "batchSize": 64,
            "method": "ADAM",
            "beta1": 0.5,
            "beta2": 0.99,
            "learningRate": 3e-3,
            "decayType": "LINEAR",
            "decayRate": 5e-7,
            "minLearningRate": 6e-5,
            "ema": 0.995,
            "maxIterations": 2000,
            "storeInterval": 100,
            "evalInterval": 500,
        },
        measured="150 s on one CPU thread; five seeds: all 10 digits, class KL 0.003, Frechet "
        "classifier distance 22.6 to 28.8 (real images: 3.0); by three LeNets as second judges 5.8 "
        "to 10.1 (real images: 1.9 to 3.0; the recipe seed: 245 to 508)",
    ),
)
"""Every recipe; adding one is adding an entry."""


def find_recipe(name: object) -> Recipe:
    """Give the recipe called ``name``.

    Raises:
        UnknownName: there is none; the nearest is named.
    """
    by_name = {recipe.name: recipe for recipe in RECIPES}
    if isinstance(name, str) and name in by_name:
        return by_name[name]
    near = get_close_matches(str(name), by_name, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(by_name)}"
    detail = f"there is no recipe {name!r}; {hint}"
    errors = [{"pointer": f"/config/{KEY}", "detail": detail}]
    raise UnknownName(detail, known=list(by_name), errors=errors)


def expand(job: LearnJob) -> LearnJob:
    """Fill in what the job's recipe has to say; what the job says itself wins.

    Raises:
        UnknownName: there is no such recipe.
        BadInput: networks or dataset are named neither by the job nor by a recipe.
    """
    if (name := job.config.get(KEY)) is not None:
        recipe = find_recipe(name)
        job = job.model_copy(
            update={
                "networks": job.networks or recipe.networks,
                "dataset": job.dataset or recipe.dataset,
                "config": {**recipe.config, **job.config},
            }
        )
    for field, value in (("networks", job.networks), ("dataset", job.dataset)):
        if value is None:
            detail = f"{field}: name them, or a recipe: recipe={RECIPES[0].name}"
            raise BadInput(detail, errors=[{"pointer": f"/{field}", "detail": detail}])
    return job
