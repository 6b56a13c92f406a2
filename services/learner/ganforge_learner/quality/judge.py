"""The judge: a small classifier, trained once per dataset, whose features figures stand on.

Where a dataset has no classes it learns to tell how far an image was turned (Gidaris et al.
2018), which gives features as well, but no figures of classes.

Shapes: N samples, C channels, H height, W width, F features, K classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ganforge import digest
from ganforge.errors import BadInput
from ganforge.networks import NetworkDefinition
from ganforge.networks.definition import Conv2d, Flatten, Linear, Module, ReLU
from ganforge.wire.quality import JUDGE
from ganforge_learner.networks import build_network, initialise

FEATURES = 84
CLASSES, ROTATIONS = "classes", "rotations"

SEED = 0
STEPS = 1500
BATCH = 64
LEARNING_RATE = 2e-3
HELD_OUT_SHARE = 5
HELD_OUT_MOST = 2000
_AT_ONCE = 1000


@dataclass(frozen=True)
class RealImages:
    """What a judge learns from, and what figures compare with.

    Attributes:
        name: the dataset's.
        images_NCHW: float32.
        classes_N: int64, or None.
    """

    name: str
    images_NCHW: Tensor
    classes_N: Tensor | None

    def __post_init__(self) -> None:
        if self.images_NCHW.dim() != 4 or len(self.images_NCHW) < 100:
            raise BadInput(f"{self.name}: only images, 100 or more, can be compared with")

    @property
    def task(self) -> str:
        """What a judge tells apart here: classes when there are two or more."""
        classes_N = self.classes_N
        has_classes = classes_N is not None and bool((classes_N.min() >= 0) & (classes_N.max() > 0))
        return CLASSES if has_classes else ROTATIONS

    @property
    def class_count(self) -> int:
        """How many answers the judge has."""
        if self.task == ROTATIONS or self.classes_N is None:
            return len(self.turns)
        return int(self.classes_N.max()) + 1

    @property
    def turns(self) -> tuple[int, ...]:
        """The quarter turns that keep the images' shape."""
        *_, height, width = self.images_NCHW.shape
        return (0, 1, 2, 3) if height == width else (0, 2)

    def digest(self) -> str:
        """Name the images and their classes."""
        shape = np.array(self.images_NCHW.shape).tobytes()
        told = b"" if self.classes_N is None else self.classes_N.numpy().tobytes()
        return digest.of_bytes(shape + self.images_NCHW.contiguous().numpy().tobytes() + told)


def define_judge(real: RealImages) -> NetworkDefinition:
    """Define the judge of a dataset: strided convolutions, then LeNet's last layers."""
    _, channels, height, width = real.images_NCHW.shape
    out, side = 16, max(height, width)
    modules: list[Module] = [Conv2d(out=out, kernel=5, stride=_stride(side), padding=2), ReLU()]
    side //= _stride(side)
    while side > 7:
        out, side = min(64, 2 * out), (side + 1) // 2
        modules += [Conv2d(out=out, kernel=3, stride=2, padding=1), ReLU()]
    modules += [Flatten(), Linear(out=FEATURES), ReLU(), Linear(out=real.class_count)]
    return NetworkDefinition(
        name=f"{JUDGE}{real.name}"[:64],
        description=f"judge: tells {real.task} of {real.name}; its {FEATURES} features are what "
        "figures of quality stand on",
        input=(channels, height, width),
        modules=tuple(modules),
    )


def _stride(side: int) -> int:
    return 1 if side <= 8 else 2


def train_judge(
    real: RealImages, definition: NetworkDefinition, *, steps: int = STEPS
) -> nn.Sequential:
    """Train a judge; the same images give the same weights on the same kind of machine."""
    generator = torch.Generator().manual_seed(SEED)
    network = build_network(definition)
    initialise(network, definition, generator)
    learnt_N, _ = _split(len(real.images_NCHW))
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        drawn_N = learnt_N[torch.randint(len(learnt_N), (BATCH,), generator=generator)]
        images_NCHW, answers_N = _lesson(real, drawn_N, generator)
        optimizer.zero_grad()
        cross_entropy(network(images_NCHW), answers_N).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        decay.step()
    return network.eval().requires_grad_(False)


def accuracy(network: nn.Sequential, real: RealImages) -> float:
    """Give the share of held-out images the judge is right about."""
    _, held_out_N = _split(len(real.images_NCHW))
    generator = torch.Generator().manual_seed(SEED)
    images_NCHW, answers_N = _lesson(real, held_out_N, generator)
    _, logits_NK = judge(network, images_NCHW)
    return float((logits_NK.argmax(1) == answers_N).double().mean())


@torch.no_grad()
def judge(network: nn.Sequential, images_NCHW: Tensor) -> tuple[Tensor, Tensor]:
    """Give the judge's features (N, F) of images, and its logits (N, K)."""
    features_NF = torch.cat([network[:-1](block) for block in torch.split(images_NCHW, _AT_ONCE)])
    return features_NF, network[-1](features_NF)


def _split(count: int) -> tuple[Tensor, Tensor]:
    """Give the indices to learn from, and the held-out ones."""
    order_N = torch.randperm(count, generator=torch.Generator().manual_seed(SEED))
    held_out = min(HELD_OUT_MOST, count // HELD_OUT_SHARE)
    return order_N[held_out:], order_N[:held_out]


def _lesson(real: RealImages, drawn_N: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Give images and what the judge should say of them."""
    images_NCHW = real.images_NCHW[drawn_N]
    if real.task == CLASSES and real.classes_N is not None:
        return images_NCHW, real.classes_N[drawn_N]
    turns = real.turns
    answers_N = torch.randint(len(turns), (len(drawn_N),), generator=generator)
    turned_NCHW = torch.empty_like(images_NCHW)
    for answer, quarters in enumerate(turns):
        of_it_N = answers_N == answer
        turned_NCHW[of_it_N] = images_NCHW[of_it_N].rot90(quarters, (2, 3))
    return turned_NCHW, answers_N
