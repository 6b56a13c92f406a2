"""What all strategies share that train a generator against a discriminator: all but the losses."""

import operator
import secrets
from abc import abstractmethod
from collections.abc import Mapping
from functools import reduce
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from ganforge.errors import BadInput, NetworkMisfit
from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import AdversarialConfig
from ganforge_learner import network_fit
from ganforge_learner.augmentation import Augmenter
from ganforge_learner.averaging import Average
from ganforge_learner.descent import Descent
from ganforge_learner.networks import takes_samples_apart
from ganforge_learner.precision import Computing
from ganforge_learner.sampler import Batch, Sampler
from ganforge_learner.strategy import LearningStrategy, LearnProgress, in_use, normal_grid
from ganforge_learner.streams import Streams

C = TypeVar("C", bound=AdversarialConfig)
Losses = dict[str, Tensor]
"""Scalars by the name they are reported under."""


class AdversarialStrategy(LearningStrategy, Generic[C]):
    """Trains a generator against a discriminator; a subclass says by which losses.

    An iteration steps the discriminator down ``discriminator_losses``, ``discriminator_steps``
    times, each on new samples, and then the generator down ``generator_loss``. With
    ``conditional``, fake samples are of the classes that the real ones of the same minibatch are
    of, so that both follow the dataset's.

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
        self._generator, self._discriminator = networks
        self._like = next(self._generator.parameters())
        seed = secrets.randbits(31) if self.config.seed is None else self.config.seed
        self.streams = Streams(seed, device=self._like.device)
        self._sampler = Sampler(dataset, self.config, self.streams.sampling, like=self._like)
        self._class_count = self._sampler.classes if self.config.conditional else 0
        self._compute = Computing(self.config.precision, self._like.device)
        for network in networks:
            _train(network)
            self._compute.make_ready(network)
        self.generator_descent = Descent(
            self._generator, self.config, learning_rate=self.config.generator_learning_rate
        )
        self.discriminator_descent = Descent(
            self._discriminator, self.config, learning_rate=self.config.discriminator_learning_rate
        )
        self._judges_apart = takes_samples_apart(self._discriminator)
        self._augment = Augmenter(self.config.augment, self.streams.augmentation)
        self._check_fit()
        decay = self.config.ema
        self._average = None if decay is None else Average(self._generator, decay)

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
        if self._average is not None:
            self._average.follow()
        return loss.detach()

    def judge(self, samples: Batch) -> Tensor:
        """Ask the discriminator about samples; one number for each, in any shape of N numbers."""
        return self._compute(self._discriminator, *self._shown(samples))

    def judge_exactly(self, samples: Batch) -> Tensor:
        """Ask the discriminator in float32, whatever ``precision`` says: for gradient penalties."""
        judged: Tensor = self._discriminator(*self._shown(samples))
        return judged

    def judge_both(self, real: Batch, fake: Batch) -> tuple[Tensor, Tensor]:
        """Ask the discriminator about real and fake samples.

        In one pass where each sample passes as if it were alone: the same sums, for half the
        calls.
        """
        if not self._judges_apart:
            return self.judge(real), self.judge(fake)
        classes = [batch.classes for batch in (real, fake) if batch.classes is not None]
        both = Batch(torch.cat((real.inputs, fake.inputs)), torch.cat(classes) if classes else None)
        judged_real, judged_fake = self.judge(both).chunk(2)
        return judged_real, judged_fake

    def _shown(self, samples: Batch) -> tuple[Tensor, ...]:
        """Give what the discriminator is shown of samples: augmented, with their classes."""
        return _given(self._augment(samples.inputs), samples.classes)

    def _draw_real(self) -> Batch:
        drawn = self._sampler.draw()
        return drawn if self.config.conditional else drawn._replace(classes=None)

    def _make(self, latents_NZ: Tensor, classes: Tensor | None) -> Batch:
        """Make fake samples of the classes that the real ones are of."""
        made = self._compute(self._generator, *_given(latents_NZ, classes))
        return Batch(made, classes)

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

    @property
    def averages(self) -> Mapping[int, torch.nn.Module]:
        """The generator's moving average, when the job asks for it with ``ema``."""
        return {} if self._average is None else {0: self._average.network}

    @property
    def grid_classes(self) -> int:
        """How many classes the sample grid cycles through; 0 when they are not told apart."""
        return self._class_count

    @torch.no_grad()
    def draw_samples(self, latents: Tensor, network: torch.nn.Module | None = None) -> Tensor:
        """Make samples from latents, of each class in turn; changes nothing."""
        network = self._generator if network is None else network
        with in_use(network):
            made: Tensor = network(*_given(latents, self._cycle(len(latents))))
        return made

    def _cycle(self, count: int) -> Tensor | None:
        """Give the classes of a grid, int64 (count): 0, 1, ... again and again."""
        if not self._class_count:
            return None
        return torch.arange(count, device=self._like.device) % self._class_count

    def state_dict(self) -> dict[str, Any]:
        """Give the methods' averages, the random streams and the sampler's position.

        The moving average is a network like the others: here is only how often it has stepped.
        """
        return {
            "generator": self.generator_descent.state_dict(),
            "discriminator": self.discriminator_descent.state_dict(),
            "streams": self.streams.state_dict(),
            "sampler": self._sampler.state_dict(),
            "average": 0 if self._average is None else self._average.steps,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self.generator_descent.load_state_dict(state["generator"])
        self.discriminator_descent.load_state_dict(state["discriminator"])
        self.streams.load_state_dict(state["streams"])
        self._sampler.load_state_dict(state["sampler"])
        if self._average is not None:
            self._average.steps = int(state["average"])

    def _check_fit(self) -> None:
        """Pass samples through the networks, so that what does not fit is said in words."""
        conditional, count = self.config.conditional, max(2, self._class_count)
        if conditional and not self._class_count:
            raise BadInput("conditional: the dataset has no classes; leave it out")
        for name, network in (
            ("generator", self._generator),
            ("discriminator", self._discriminator),
        ):
            network_fit.check_takes_classes(name, network, conditional=conditional)
        if self.config.augment and len(self._sampler.sample_shape) != 3:
            raise BadInput("augment: it changes images, which this dataset's samples are not")
        made = network_fit.try_generator(
            self._generator,
            torch.zeros(count, self.config.generator_dim).to(self._like),
            self._cycle(count),
            sample_shape=tuple(self._sampler.sample_shape),
        )
        network_fit.try_discriminator(
            self._discriminator, made, self._cycle(count), ending=self.config.ending
        )
        if self.config.penalises_gradients:
            network_fit.check_penalty(self._discriminator)
        network_fit.check_batch_size(self.config.batch_size, (self._generator, self._discriminator))


def _given(samples: Tensor, classes: Tensor | None) -> tuple[Tensor, ...]:
    """Give what a network takes: samples or latents, and classes when they are told apart."""
    return (samples,) if classes is None else (samples, classes)


def _train(network: nn.Module) -> None:
    """Put a network into training, save for what is frozen: that stays as it is in use."""
    network.train()
    for module in network.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _means(told: list[Losses]) -> Losses:
    """Give the mean of each loss over the discriminator's steps."""
    if len(told) == 1:
        return told[0]
    return {name: torch.stack([losses[name] for losses in told]).mean() for name in told[0]}
