"""The judge of real digits, and what the evaluator makes of generators."""

from pathlib import Path

import pytest
import torch

from ganforge.networks import BUILTIN, NetworkDefinition, infer
from ganforge_learner import streams, weights
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.quality import judge as judges
from ganforge_learner.quality.evaluation import Reference
from ganforge_learner.quality.evaluator import Evaluator, read_images
from ganforge_learner.quality.judge import FEATURES, RealImages, define_judge, train_judge
from ganforge_learner.quality.messages import (
    Evaluate,
    Evaluated,
    Open,
    Opened,
    Refused,
    Trained,
    TrainJudge,
)

GENERATOR = next(each for each in BUILTIN if each.name == "DigitsGenerator")


def real_digits() -> RealImages:
    return read_images("digits", Path())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judge")


@pytest.fixture(scope="module")
def evaluator(folder: Path) -> Evaluator:
    """An evaluator with digits open, and their judge trained into ``folder``."""
    made = Evaluator(folder)
    assert isinstance(made.answer(Open("digits")), Opened)
    trained = made.answer(TrainJudge(folder / "judge"))
    assert isinstance(trained, Trained)
    assert trained.accuracy >= 0.9
    return made


def evaluate(folder: Path, definition: NetworkDefinition = GENERATOR, **keys: int) -> Evaluate:
    """Ask for an untrained generator."""
    network = build_network(definition)
    initialise(network, definition, streams.stream(1, "initialisation"))
    file = folder / f"{definition.name}.safetensors"
    file.write_bytes(weights.dump(network))
    told = {"samples": 8000, "seed": 0, **keys}
    return Evaluate(folder / "judge", "a-digest", definition, file, **told)


def test_real_digits_are_near_the_floor_and_noise_is_far(
    evaluator: Evaluator, folder: Path
) -> None:
    answer = evaluator.answer(evaluate(folder))

    assert isinstance(answer, Evaluated)
    assert answer.samples == 898  # half of the dataset
    assert answer.accuracy >= 0.9
    floor, figures = answer.floor, answer.figures
    assert floor.classes_covered == 10
    assert floor.class_kl is not None
    assert floor.class_kl < 0.05
    assert floor.classifier_score is not None
    assert floor.classifier_score > 8
    assert min(floor.precision, floor.recall, floor.coverage) > 0.85
    assert floor.density == pytest.approx(1.0, abs=0.2)
    assert floor.near_copies <= 0.03
    assert figures.fcd > 20 * floor.fcd
    assert figures.coverage < 0.2
    assert figures.near_copies == 0.0
    assert figures.sliced_wasserstein > 3 * floor.sliced_wasserstein


def test_real_images_in_place_of_samples_give_the_floor_and_are_told_as_copies(
    folder: Path, evaluator: Evaluator
) -> None:
    real = real_digits()
    network = build_network(define_judge(real))
    weights.load(folder / "judge", network, "judge")
    reference = Reference(real, network.eval(), samples=300)
    drawn = torch.randperm(len(real.images_NCHW), generator=torch.Generator().manual_seed(5))[:300]

    measured = reference.measure(real.images_NCHW[drawn])

    assert measured.near_copies == 1.0
    assert measured.fcd == pytest.approx(reference.floor.fcd, rel=0.6)
    assert measured.coverage > 0.9
    assert measured.classes_covered == 10


def test_one_picture_again_and_again_is_seen_as_collapse(
    folder: Path, evaluator: Evaluator
) -> None:
    real = real_digits()
    network = build_network(define_judge(real))
    weights.load(folder / "judge", network, "judge")
    reference = Reference(real, network.eval(), samples=200)

    collapsed = reference.measure(real.images_NCHW[:1].repeat(200, 1, 1, 1))

    assert collapsed.classes_covered == 1
    assert collapsed.classifier_score == pytest.approx(1.0, abs=1e-6)
    assert collapsed.class_kl is not None
    assert collapsed.class_kl > 1
    assert collapsed.recall < 0.1
    assert collapsed.fcd > 10 * reference.floor.fcd


def test_the_same_seed_gives_the_same_figures_and_another_one_nearly(
    evaluator: Evaluator, folder: Path
) -> None:
    first, again = (evaluator.answer(evaluate(folder, samples=200, seed=3)) for _ in range(2))
    other = evaluator.answer(evaluate(folder, samples=200, seed=4))

    assert isinstance(first, Evaluated)
    assert isinstance(other, Evaluated)
    assert first == again
    assert other.floor == first.floor
    assert other.figures != first.figures
    assert other.figures.fcd == pytest.approx(first.figures.fcd, rel=0.2)


def test_a_generator_of_another_shape_is_refused_in_words(
    evaluator: Evaluator, folder: Path
) -> None:
    mnist = next(each for each in BUILTIN if each.name == "Generator")
    answer = evaluator.answer(evaluate(folder, mnist))

    assert isinstance(answer, Refused)
    assert answer.slug == "network-misfit"
    assert "1x28x28" in answer.detail
    assert "1x8x8" in answer.detail


def test_weights_that_are_not_finite_are_refused(evaluator: Evaluator, folder: Path) -> None:
    question = evaluate(folder, samples=200)
    network = build_network(GENERATOR)
    with torch.no_grad():
        next(network.parameters()).fill_(torch.nan)
    question.weights.write_bytes(weights.dump(network))

    answer = evaluator.answer(question)

    assert isinstance(answer, Refused)
    assert "NaN" in answer.detail


def test_an_unknown_dataset_is_refused_and_the_next_question_answered(folder: Path) -> None:
    evaluator = Evaluator(folder)

    refused = evaluator.answer(Open("nothing"))

    assert isinstance(refused, Refused)
    assert refused.slug == "unknown-name"
    opened = evaluator.answer(Open("digits"))
    assert isinstance(opened, Opened)
    assert opened.judge.name == "Judge-digits"
    assert opened.task == "classes"


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 48)])
def test_a_judge_fits_images_of_every_shape(shape: tuple[int, ...]) -> None:
    images = torch.zeros(100, *shape)
    real = RealImages("data", images, torch.arange(100) % 7)
    definition = define_judge(real)

    assert infer(definition).output == (7,)
    features, logits = judges.judge(build_network(definition), images)
    assert features.shape == (100, FEATURES)
    assert logits.shape == (100, 7)


def test_a_dataset_without_classes_has_a_judge_that_tells_how_images_were_turned() -> None:
    real = RealImages("digits", real_digits().images_NCHW, None)
    network = train_judge(real, define_judge(real), steps=150)

    assert real.task == "rotations"
    assert judges.accuracy(network, real) > 0.6  # by chance: a quarter
    floor = Reference(real, network, samples=150).floor
    assert floor.coverage > 0.8
    assert floor.classes_covered is None
    assert floor.class_kl is None
    assert floor.classifier_score is None


def test_the_digest_tells_images_and_classes_apart() -> None:
    real = real_digits()
    assert real.classes_N is not None
    relabelled = RealImages("digits", real.images_NCHW, real.classes_N.flip(0))
    unlabelled = RealImages("digits", real.images_NCHW, None)

    names = {each.digest() for each in (real, relabelled, unlabelled)}
    assert len(names) == 3
    assert real_digits().digest() == real.digest()
