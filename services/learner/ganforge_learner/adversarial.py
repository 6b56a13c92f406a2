"""What all strategies share that train a generator against a discriminator: all but the losses."""

import operator
import secrets
from abc import abstractmethod
from collections.abc import Mapping
from functools import reduce
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from ganforge.errors import NetworkMisfit
from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import AdversarialConfig
from ganforge_learner import network_fit
from ganforge_learner.descent import Descent
from ganforge_learner.networks import takes_samples_apart
from ganforge_learner.sampler import Batch, Sampler
from ganforge_learner.strategy import LearningStrategy, LearnProgress, normal_grid
from ganforge_learner.streams import Streams

C = TypeVar("C", bound=AdversarialConfig)
Losses = dict[str, Tensor]
"""Scalars by the name they are reported under."""


class AdversarialStrategy(LearningStrategy, Generic[C]):
    """Trains a generator against a discriminator; a subclass says by which losses.

    An iteration steps the discriminator down ``discriminator_losses``, ``discriminator_steps``
    times, each on new samples, and then the generator down ``generator_loss``.

    Shapes: N batch, Z latents.
    """

    Config: ClassVar[type[LearnConfig]] = AdversarialConfig

    @abstractmethod
    def discriminator_losses(self, real: Batch, fake: Batch) -> Losses:
        """Give the discriminator's losses by name; it goes down their sum.

        Args:
            real: N samples of the dataset.
            fake: N samples of the generator, through which no gradient flows into it.
        """

    @abstractmethod
    def generator_loss(self, fake: Batch, real: Batch) -> Tensor:
        """Give the loss that the generator goes down.

        Args:
            fake: N new samples of the generator; gradients flow into it.
            real: what the discriminator was last given.
        """

    def discriminator_steps(self, i: int) -> int:
        """Tell how often the discriminator steps in iteration ``i``: once, by default."""
        return 1

    def after_discriminator_step(self) -> None:
        """Do what the method does to a discriminator that has just stepped: nothing, by default."""

    def latents_of_generator_step(self) -> Tensor:
        """Give the latents of the generator's step, shape (N, Z): new ones, by default."""
        return self.draw_latents()

    def report(self, i: int, loss: Tensor, losses: Losses) -> LearnProgress:
        """Tell of one iteration.

        Args:
            i: the iteration.
            loss: the generator's.
            losses: the discriminator's, each the mean over its steps.
        """
        return LearnProgress(i, loss, losses)

    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: torch.nn.Module) -> None:
        """Get ready to train a generator and a discriminator, in this order.

        Raises:
            BadInput: the keys make no sense.
            NetworkMisfit: not two networks, or ones that do not fit.
        """
        if len(networks) != 2:
            raise NetworkMisfit(
                f"{type(self).__name__} takes a generator and a discriminator, "
                f"not {len(networks)} networks"
            )
        self.config: C = self.parse(config)
        self._generator, self._discriminator = map(_made_ready, networks)
        self._like = next(self._generator.parameters())
        seed = secrets.randbits(31) if self.config.seed is None else self.config.seed
        self.streams = Streams(seed, device=self._like.device)
        self._sampler = Sampler(dataset, self.config, self.streams.sampling, like=self._like)
        self.generator_descent = Descent(
            self._generator, self.config, learning_rate=self.config.generator_learning_rate
        )
        self.discriminator_descent = Descent(
            self._discriminator, self.config, learning_rate=self.config.discriminator_learning_rate
        )
        self._judges_apart = takes_samples_apart(self._discriminator)
        self._check_fit()

    def process_iteration(self, i: int) -> LearnProgress:
        """Step the discriminator on real and fake samples, then the generator."""
        told = []
        for _ in range(self.discriminator_steps(i)):
            real, losses = self._step_discriminator()
            told.append(losses)
        loss = self._step_generator(real)
        return self.report(i, loss, _means(told))

    def _step_discriminator(self) -> tuple[Batch, Losses]:
        """Step once; gives the real samples it was given, and its losses."""
        real = self._draw_real()
        self.last_latents = self.draw_latents()
        with torch.no_grad():  # not propagated into the generator
            fake = self._make(self.last_latents, real.classes)
        losses = self.discriminator_losses(real, fake)
        self.discriminator_descent.step_down(reduce(operator.add, losses.values()))
        self.after_discriminator_step()
        return real, {name: loss.detach() for name, loss in losses.items()}

    def _step_generator(self, real: Batch) -> Tensor:
        # The discriminator's own gradients from this step are never used.
        self.discriminator_descent.ask_gradients(False)
        fake = self._make(self.latents_of_generator_step(), real.classes)
        loss = self.generator_loss(fake, real)
        self.generator_descent.step_down(loss)
        self.discriminator_descent.ask_gradients(True)
        return loss.detach()

    def judge(self, samples: Batch) -> Tensor:
        """Ask the discriminator about samples; one number for each, in any shape of N numbers."""
        judged: Tensor = self._discriminator(samples.inputs)
        return judged

    def judge_exactly(self, samples: Batch) -> Tensor:
        """Ask the discriminator in float32, whatever ``precision`` says: for gradient penalties."""
        return self.judge(samples)

    def judge_both(self, real: Batch, fake: Batch) -> tuple[Tensor, Tensor]:
        """Ask the discriminator about real and fake samples.

        In one pass where each sample passes as if it were alone: the same sums, for half the
        calls.
        """
        if not self._judges_apart:
            return self.judge(real), self.judge(fake)
        both = Batch(torch.cat((real.inputs, fake.inputs)), None)
        judged_real, judged_fake = self.judge(both).chunk(2)
        return judged_real, judged_fake

    def _draw_real(self) -> Batch:
        return self._sampler.draw()

    def _make(self, latents_NZ: Tensor, classes: Tensor | None) -> Batch:
        return Batch(self._generator(latents_NZ), classes)

    def draw_latents(self) -> Tensor:
        """Draw from N(0, 1), shape (N, Z)."""
        return torch.randn(
            (self.config.batch_size, self.config.generator_dim),
            generator=self.streams.latents,
            device=self._like.device,
            dtype=self._like.dtype,
        )

    @property
    def generator(self) -> torch.nn.Module:
        """The network that makes samples."""
        return self._generator

    def grid_latents(self, count: int, seed: int) -> Tensor:
        """Give the latents of the sample grid, shape (count, Z)."""
        return normal_grid(count, self.config.generator_dim, seed, self._like)

    def state_dict(self) -> dict[str, Any]:
        """Give the methods' averages, the random streams and the sampler's position."""
        return {
            "generator": self.generator_descent.state_dict(),
            "discriminator": self.discriminator_descent.state_dict(),
            "streams": self.streams.state_dict(),
            "sampler": self._sampler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self.generator_descent.load_state_dict(state["generator"])
        self.discriminator_descent.load_state_dict(state["discriminator"])
        self.streams.load_state_dict(state["streams"])
        self._sampler.load_state_dict(state["sampler"])

    def _check_fit(self) -> None:
        """Pass two samples through the networks, so that what does not fit is said in words."""
        latents = torch.zeros(2, self.config.generator_dim).to(self._like)
        made = network_fit.try_generator(
            self._generator, latents, sample_shape=tuple(self._sampler.sample_shape)
        )
        network_fit.try_discriminator(self._discriminator, made, ending=self.config.ending)
        if self.config.penalises_gradients:
            network_fit.check_penalty(self._discriminator)
        network_fit.check_batch_size(self.config.batch_size, (self._generator, self._discriminator))


def _made_ready(network: nn.Module) -> nn.Module:
    """Put a network into training, save for the statistics of what is frozen."""
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()
    return network


def _means(told: list[Losses]) -> Losses:
    """Give the mean of each loss over the discriminator's steps."""
    if len(told) == 1:
        return told[0]
    return {name: torch.stack([losses[name] for losses in told]).mean() for name in told[0]}
