"""One thread for torch: the tests' networks are tiny, and other tests want the cores."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
