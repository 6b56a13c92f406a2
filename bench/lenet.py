"""A second judge, to hold the learner's own against: LeNet, of another architecture and seed.

LeNet-5 (LeCun et al. 1998, figure 2) as it is written today, with ReLU and max pooling, learns
8,000 of MNIST's 10,000 images for ten epochs. Its distance is the Frechet distance, on its 84
features, of 8,000 samples from those 8,000 images. Its scale is not that of the learner's own
judge: it is the one in which the seed's recipe was told to come to 339 to 453 at 20,000
iterations, and real images to 1.6.

Shapes: N samples, C channels, H height, W width, F features.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganforge.networks import NetworkDefinition
from ganforge.networks.definition import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.quality.frechet import frechet_distance
from ganforge_learner.quality.judge import judge

LEARNT_SHARE, LEARNT_MOST = 0.8, 8000
OTHERS_MOST = 2000
EPOCHS = 10
BATCH = 64
LEARNING_RATE = 1e-3
DEFINITION = NetworkDefinition(
    name="LeNet",
    input=(1, 28, 28),
    modules=(
        *(Conv2d(out=6, kernel=5, padding=2), ReLU(), MaxPool2d(kernel=2)),
        *(Conv2d(out=16, kernel=5), ReLU(), MaxPool2d(kernel=2), Flatten()),
        *(Linear(out=120), ReLU(), Linear(out=84), ReLU(), Linear(out=10)),
    ),
)


class LeNet:
    """A LeNet, and the images it learnt from to compare others with.

    Args:
        images_NCHW: of 28x28, float32 in [-1, 1].
        classes_N: int64, below ten.
        seed: of its weights and of which images it learns from.

    Attributes:
        samples: how many samples are to be compared: as many as it learnt from.
        accuracy: the share of the other images that it is right about.
        floor: the distance of the other images from those it learnt from.
    """

    def __init__(self, images_NCHW: Tensor, classes_N: Tensor, *, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        order_N = torch.randperm(len(images_NCHW), generator=generator)
        self.samples = min(LEARNT_MOST, int(LEARNT_SHARE * len(order_N)))
        learnt_N, other_N = order_N[: self.samples], order_N[self.samples :][:OTHERS_MOST]
        self._network = _train(images_NCHW[learnt_N], classes_N[learnt_N], generator)
        self._learnt_NF, _ = judge(self._network, images_NCHW[learnt_N])
        _, logits_NK = judge(self._network, images_NCHW[other_N])
        self.accuracy = float((logits_NK.argmax(1) == classes_N[other_N]).double().mean())
        self.floor = self.distance(images_NCHW[other_N])

    def distance(self, images_NCHW: Tensor) -> float:
        """Give the Frechet distance of images from those it learnt from."""
        features_NF, _ = judge(self._network, images_NCHW)
        return frechet_distance(self._learnt_NF, features_NF)


def _train(images_NCHW: Tensor, classes_N: Tensor, generator: torch.Generator) -> nn.Sequential:
    network = build_network(DEFINITION)
    initialise(network, DEFINITION, generator)
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
    for _ in range(EPOCHS):
        order_N = torch.randperm(len(images_NCHW), generator=generator)
        for drawn_N in torch.split(order_N, BATCH):
            optimizer.zero_grad()
            loss = cross_entropy(network(images_NCHW[drawn_N]), classes_N[drawn_N])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval().requires_grad_(False)
