"""Random networks over all modules: inference and torch are of one mind.

RANDOM_NETWORKS says how many are drawn; ``pytest -s`` shows what was found.
"""

import os
from collections import Counter

import pytest
import torch

from ganforge.errors import NetworkMisfit
from ganforge.networks import NetworkDefinition, infer
from ganforge_learner.networks import build_network, initialise
from tests.support.random_networks import KINDS, RandomNetworks, Refused, shapes_by_torch

COUNT = int(os.environ.get("RANDOM_NETWORKS", "300"))
DTYPES = {torch.float32: "F32", torch.int64: "I64"}

pytestmark = pytest.mark.usefixtures("one_thread")


def compare(network: NetworkDefinition) -> bool:
    """Hold inference against torch; gives whether both take the network."""
    try:
        shapes = shapes_by_torch(network)
    except Refused as refused:
        with pytest.raises(NetworkMisfit, match=rf", module {refused} \("):
            infer(network)
        return False
    inference = infer(network)
    assert {step.path: step.output for step in inference.steps} == shapes
    built = build_network(network)
    told = {
        name: (DTYPES[tensor.dtype], tuple(tensor.shape))
        for name, tensor in built.state_dict().items()
    }
    assert list(inference.tensors.items()) == list(told.items())
    assert inference.parameters == sum(t.numel() for t in built.state_dict().values())
    initialise(built, network, torch.Generator().manual_seed(0))
    inputs = [torch.randn(2, *network.input), torch.zeros(2, dtype=torch.int64)]
    made = built(*inputs[: 2 if network.classes else 1])
    assert tuple(made.shape) == (2, *inference.output)
    assert bool(made.isfinite().all())
    return True


def test_inference_agrees_with_torch_on_random_networks() -> None:
    networks = RandomNetworks(seed=1)
    kinds: Counter[str] = Counter()
    depth = taken = 0
    for _ in range(COUNT):
        network = networks.draw()
        if compare(network):
            taken += 1
            steps = infer(network).steps
            kinds.update({step.type for step in steps})
            depth = max(depth, *(step.path.count(".") for step in steps))
    print(f"{COUNT} networks: {taken} taken and {COUNT - taken} refused by both; {dict(kinds)}")
    assert set(kinds) == set(KINDS)
    assert depth > 3


def test_inference_agrees_with_torch_on_modules_that_may_not_fit() -> None:
    networks = RandomNetworks(seed=2, careless=1.0)
    verdicts = Counter(compare(networks.draw(longest=1)) for _ in range(4 * COUNT))
    print(f"{4 * COUNT} modules: {verdicts[True]} taken and {verdicts[False]} refused by both")
    assert min(verdicts[True], verdicts[False]) > COUNT / 5


def test_a_definition_survives_the_wire() -> None:
    networks = RandomNetworks(seed=3)
    for _ in range(50):
        network = networks.draw()
        assert NetworkDefinition.model_validate_json(network.model_dump_json()) == network
