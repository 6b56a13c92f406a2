import math
from typing import Any

import numpy as np
import pytest

from ganforge.networks import infer
from tests.repository.conftest import Repository
from tests.repository.files import DEFINITIONS, file_with, weights_of

Tensors = dict[str, "np.ndarray[Any, Any]"]


def tensors_of(seed: int) -> Tensors:
    generator = np.random.default_rng(seed)
    return {
        name: generator.normal(size=shape).astype("<f4")
        for name, (_, shape) in infer(DEFINITIONS["Generator"]).tensors.items()
    }


def push(repository: Repository, tensors: Tensors) -> None:
    dtypes = {
        name: str(dtype) for name, (dtype, _) in infer(DEFINITIONS["Generator"]).tensors.items()
    }
    path = repository.file(file_with(tensors, dtypes))
    repository.client().push("Generator", "mine", path)


def test_the_difference_is_what_numpy_says(repository: Repository) -> None:
    a, b = tensors_of(1), tensors_of(2)
    first = sorted(a)[0]
    b[first] = a[first].copy()
    b[first].flat[0] += 1
    push(repository, a)
    push(repository, b)

    found = repository.client("read").diff("Generator", "mine", 1, "latest")

    assert (found.a, found.b, found.identical) == (1, 2, False)
    assert {tensor.name for tensor in found.tensors} == set(a)
    for tensor in found.tensors:
        x = a[tensor.name].astype(float).ravel()
        y = b[tensor.name].astype(float).ravel()
        assert tensor.difference_norm == pytest.approx(np.linalg.norm(y - x))
        cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
        assert tensor.cosine == pytest.approx(cosine, abs=1e-12)
        assert tensor.elements == x.size
        assert tensor.changed_share == np.count_nonzero(x != y) / x.size
    by_name = {tensor.name: tensor for tensor in found.tensors}
    assert by_name[first].changed_share == 1 / a[first].size


def test_a_version_does_not_differ_from_itself(repository: Repository) -> None:
    push(repository, tensors_of(1))

    found = repository.client().diff("Generator", "mine", 1, 1)

    assert found.identical
    for tensor in found.tensors:
        assert (tensor.difference_norm, tensor.changed_share) == (0, 0)
        assert tensor.cosine == pytest.approx(1)


def test_what_is_not_finite_has_no_norm(repository: Repository) -> None:
    a, b = tensors_of(1), tensors_of(2)
    first = sorted(a)[0]
    b[first].flat[0] = math.nan
    push(repository, a)
    push(repository, b)

    found = repository.client().diff("Generator", "mine", 1, 2)

    by_name = {tensor.name: tensor for tensor in found.tensors}
    assert by_name[first].difference_norm is None
    assert by_name[first].cosine is None
    assert repository.client().version("Generator", "mine", 2).nonfinite_count == 1


def test_zeros_have_no_direction(repository: Repository) -> None:
    push(repository, {name: np.zeros_like(values) for name, values in tensors_of(1).items()})
    repository.client().push("Generator", "mine", repository.file(weights_of("Generator")))

    found = repository.client().diff("Generator", "mine", 1, 2)

    assert all(tensor.cosine is None for tensor in found.tensors)
