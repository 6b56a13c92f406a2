"""Which grids of a job are shown."""

from ganforge_coordinator.gallery import drawing_network

NETWORKS = ["Generator", "Discriminator"]


def test_the_generators_grids_are_shown_where_no_average_is_kept() -> None:
    assert drawing_network(NETWORKS, {"ema": None}, ()) == "Generator"
    assert drawing_network(NETWORKS, {}, NETWORKS) == "Generator"


def test_the_averages_grids_are_shown_from_the_first_on() -> None:
    assert drawing_network(NETWORKS, {"ema": 0.99}, ()) == "Generator-ema"
    assert drawing_network(NETWORKS, {}, [*NETWORKS, "Generator-ema"]) == "Generator-ema"


def test_a_strategy_that_keeps_no_average_after_all_shows_its_generator() -> None:
    assert drawing_network(NETWORKS, {"ema": 0.99}, NETWORKS) == "Generator"
