"""One thread for torch and numpy: what tests compute is tiny, and other tests want the cores.

On a busy machine numpy's threads wait for each other longer than they compute, fifty times over.
"""

from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    with threadpool_limits(limits=1, user_api="blas"):
        yield
