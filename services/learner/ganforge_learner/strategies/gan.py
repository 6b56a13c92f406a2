"""GANLearningStrategy: generator against discriminator, as DIANNE defines it."""

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ganforge.errors import NetworkMisfit
from ganforge.wire.config import LearnConfig
from ganforge.wire.strategies import GANConfig
from ganforge_learner.losses import binary_cross_entropy
from ganforge_learner.methods import make_stepper
from ganforge_learner.networks import takes_samples_apart
from ganforge_learner.sampler import Sampler
from ganforge_learner.strategy import LearningStrategy, LearnProgress, normal_grid
from ganforge_learner.streams import Streams


class GANLearningStrategy(LearningStrategy):
    """DIANNE's GAN training: binary cross-entropy with smoothed targets.

    The min-max game of Goodfellow et al. 2014 (algorithm 1) with the generator's non-saturating
    loss (section 3) and targets of 0.85 and 0.15 in place of 1 and 0 (label smoothing, Salimans
    et al. 2016, section 3.4). The discriminator ends in a Sigmoid.

    Shapes: N batch, Z latents.
    """

    Config: ClassVar[type[LearnConfig]] = GANConfig

    def setup(self, config: Mapping[str, Any], dataset: Any, *networks: torch.nn.Module) -> None:
        """Get ready to train a generator and a discriminator, in this order.

        Raises:
            BadInput: the keys make no sense.
            NetworkMisfit: not two networks, or ones that do not fit.
        """
        if len(networks) != 2:
            raise NetworkMisfit(
                "GANLearningStrategy takes a generator and a discriminator, "
                f"not {len(networks)} networks"
            )
        self._config: GANConfig = self.parse(config)
        self._generator, self._discriminator = (network.train() for network in networks)
        parameter = next(self._generator.parameters())
        seed = self._config.seed
        self._streams = Streams(
            secrets.randbits(31) if seed is None else seed, device=parameter.device
        )
        self._sampler = Sampler(dataset, self._config, self._streams.sampling, like=parameter)
        self._g_parameters = _learnt(self._generator)
        self._d_parameters = _learnt(self._discriminator)
        self._g_stepper = make_stepper(self._config, self._g_parameters)
        self._d_stepper = make_stepper(self._config, self._d_parameters)
        self._latents_shape = (self._config.batch_size, self._config.generator_dim)
        self._device, self._dtype = parameter.device, parameter.dtype
        self._judges_apart = takes_samples_apart(self._discriminator)
        self._check_fit()

    def process_iteration(self, i: int) -> LearnProgress:
        """Step the discriminator on real and fake samples, then the generator."""
        self._g_stepper.zero_grad()
        self._d_stepper.zero_grad()
        real = self._sampler.draw().inputs
        with torch.no_grad():  # not propagated into the generator
            fake = self._generator(self._draw_latents())
        loss_real, loss_fake = self._tell_apart(real, fake)
        self._d_stepper.step()

        self._ask_gradients_of_discriminator(False)
        loss = self._judge(self._generator(self._draw_latents()), self._config.target_real)
        loss.backward()  # type: ignore[no-untyped-call]
        self._g_stepper.step()
        self._ask_gradients_of_discriminator(True)
        extra = {"dLossReal": loss_real.detach(), "dLossFake": loss_fake.detach()}
        return LearnProgress(i, loss.detach(), extra)

    def _tell_apart(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Give the discriminator the gradients of both its losses, added; gives the losses."""
        if not self._judges_apart:
            loss_real = self._judge(real, self._config.target_real)
            loss_real.backward()  # type: ignore[no-untyped-call]
            loss_fake = self._judge(fake, self._config.target_fake)
            loss_fake.backward()  # type: ignore[no-untyped-call]
            return loss_real, loss_fake
        # Both in one pass: the same sums, for half the calls.
        judged_real, judged_fake = self._discriminator(torch.cat((real, fake))).chunk(2)
        loss_real = binary_cross_entropy(judged_real, self._config.target_real)
        loss_fake = binary_cross_entropy(judged_fake, self._config.target_fake)
        (loss_real + loss_fake).backward()  # type: ignore[no-untyped-call]
        return loss_real, loss_fake

    def _judge(self, samples: Tensor, target: float) -> Tensor:
        return binary_cross_entropy(self._discriminator(samples), target)

    def _draw_latents(self) -> Tensor:
        """Draw from N(0, 1), shape (N, Z)."""
        return torch.randn(
            self._latents_shape,
            generator=self._streams.latents,
            device=self._device,
            dtype=self._dtype,
        )

    def _ask_gradients_of_discriminator(self, asked: bool) -> None:
        for parameter in self._d_parameters:
            parameter.requires_grad_(asked)

    @property
    def generator(self) -> torch.nn.Module:
        """The network that makes samples."""
        return self._generator

    def grid_latents(self, count: int, seed: int) -> Tensor:
        """Give the latents of the sample grid, shape (count, Z)."""
        return normal_grid(count, self._config.generator_dim, seed, self._g_parameters[0])

    def state_dict(self) -> dict[str, Any]:
        """Give the methods' averages, the random streams and the sampler's position."""
        return {
            "generator": self._g_stepper.state_dict(),
            "discriminator": self._d_stepper.state_dict(),
            "streams": self._streams.state_dict(),
            "sampler": self._sampler.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state_dict`` gave."""
        self._g_stepper.load_state_dict(state["generator"])
        self._d_stepper.load_state_dict(state["discriminator"])
        self._streams.load_state_dict(state["streams"])
        self._sampler.load_state_dict(state["sampler"])

    def _check_fit(self) -> None:
        """Pass two samples through the networks, so that what does not fit is said in words."""
        wanted = tuple(self._sampler.sample_shape)
        dim = self._config.generator_dim
        try:
            made = self.draw_samples(torch.zeros(2, dim, device=self._device, dtype=self._dtype))
        except (RuntimeError, ValueError) as error:
            raise NetworkMisfit(
                f"the generator does not take {dim} latents, as generatorDim says: {error}"
            ) from error
        if tuple(made.shape[1:]) != wanted:
            raise NetworkMisfit(
                f"the generator makes samples of {_say(made.shape[1:])} but the dataset's are "
                f"{_say(wanted)}: take a generator of that shape, or another dataset"
            )
        judged = self._judged(made)
        if len(judged) != 2 or judged.numel() != 2:
            raise NetworkMisfit(
                f"the discriminator gives {_say(judged.shape[1:])} numbers a sample: it must give "
                "one probability, from a Sigmoid"
            )
        outside = bool(((judged < 0) | (judged > 1)).any())
        last = _last_module(self._discriminator)
        if outside or isinstance(last, _NO_PROBABILITY):
            raise NetworkMisfit(
                f"the discriminator ends in {type(last).__name__}: it must give one probability, "
                "from a Sigmoid"
            )
        modules = (*self._generator.modules(), *self._discriminator.modules())
        if self._config.batch_size == 1 and any(isinstance(m, nn.BatchNorm1d) for m in modules):
            raise NetworkMisfit(
                "BatchNorm has nothing to normalise over in a batch of one: set batchSize=2 or more"
            )

    @torch.no_grad()
    def _judged(self, samples: Tensor) -> Tensor:
        self._discriminator.eval()
        try:
            judged: Tensor = self._discriminator(samples)
        except (RuntimeError, ValueError) as error:
            raise NetworkMisfit(
                f"the discriminator does not take samples of {_say(samples.shape[1:])}: {error}"
            ) from error
        finally:
            self._discriminator.train()
        return judged


_NO_PROBABILITY = (nn.Linear, nn.Conv2d, nn.Tanh, nn.ReLU, nn.LeakyReLU)


def _last_module(network: nn.Module) -> nn.Module:
    """Find what a network ends in, past modules that only give another shape."""
    while isinstance(network, nn.Sequential) and len(network):
        modules = [m for m in network if not isinstance(m, nn.Flatten | nn.Unflatten | nn.Identity)]
        network = modules[-1] if modules else network[-1]
    return network


def _learnt(network: nn.Module) -> list[Tensor]:
    """Give the parameters that are to be learnt: those that nobody has frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def _say(shape: tuple[int, ...] | torch.Size) -> str:
    return "x".join(map(str, shape))
