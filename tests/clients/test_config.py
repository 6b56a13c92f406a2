"""The config keys: camelCase on the wire, snake_case in Python, strict about both."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ganforge.wire.config import LearnConfig, Method, Sampling
from ganforge.wire.strategies import GANConfig

SEED_JOB = {
    "generatorDim": 10,
    "batchSize": 16,
    "method": "SGD",
    "learningRate": 0.001,
    "momentum": 0.9,
    "clean": True,
    "trace": True,
    "traceInterval": 1,
}


def test_the_seeds_job_is_understood() -> None:
    config = GANConfig.model_validate(SEED_JOB)
    assert (config.generator_dim, config.batch_size, config.momentum) == (10, 16, 0.9)
    assert (config.method, config.sampling) == (Method.SGD, Sampling.UNIFORM)
    assert (config.target_real, config.target_fake) == (0.85, 0.15)
    assert config.max_iterations is None
    assert config.learning_rate == 0.001


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "batchSize": st.integers(1, 65_536),
            "generatorDim": st.integers(1, 65_536),
            "seed": st.integers(0, 2**53 - 1),
            "method": st.sampled_from([str(method) for method in Method]),
            "sampling": st.sampled_from([str(sampling) for sampling in Sampling]),
            "learningRate": st.floats(1e-9, 1e9),
            "momentum": st.floats(0, 1, exclude_max=True),
            "nesterov": st.none() | st.floats(0, 1, exclude_max=True),
            "maxIterations": st.integers(1, 2**53 - 1),
            "trace": st.booleans(),
        },
    )
)
def test_a_config_survives_the_wire(keys: dict[str, Any]) -> None:
    config = GANConfig.model_validate(keys)
    assert GANConfig.model_validate_json(config.model_dump_json()) == config
    told = json.loads(config.model_dump_json())
    assert all("_" not in key for key in told)
    assert told | keys == told


@pytest.mark.parametrize(
    "keys",
    [
        {"batchSzie": 16},
        {"batchSize": 0},
        {"batchSize": 1.5},
        {"batchSize": "many"},
        {"seed": -1},
        {"seed": 2**53},
        {"learningRate": 0},
        {"learningRate": float("nan")},
        {"learningRate": float("inf")},
        {"momentum": 1},
        {"momentum": -0.1},
        {"nesterov": 1},
        {"l2": -1},
        {"beta2": 1},
        {"epsilon": 0},
        {"decayRate": -1},
        {"decayType": "SQUARE"},
        {"method": "sgd"},
        {"sampling": "RANDOM"},
        {"maxIterations": 0},
        {"traceInterval": 0},
        {"storeInterval": 0},
        {"syncInterval": 0},
        {"tag": "no spaces"},
        {"tag": "../etc"},
        {"initTag": ""},
        {"targetReal": 1.1},
        {"generatorDim": 0},
    ],
)
def test_what_makes_no_sense_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GANConfig.model_validate(keys)


def test_every_key_is_described_and_named_in_camel_case() -> None:
    for config in (LearnConfig, GANConfig):
        for name, schema in config.model_json_schema()["properties"].items():
            assert "_" not in name
            assert name in ("strategy",) or schema.get("description"), name


def test_a_config_cannot_be_changed() -> None:
    config = GANConfig()
    with pytest.raises(ValidationError, match="frozen"):
        config.batch_size = 3  # type: ignore[misc]
