"""Recipes: whole jobs by name, that fit the keys and networks there are."""

import pytest

from ganforge.errors import BadInput, UnknownName
from ganforge.networks import BUILTIN
from ganforge.recipes import RECIPES, Recipe, expand, find_recipe
from ganforge.wire.jobs import LearnJob
from ganforge_learner import registry


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_names_networks_that_are_there_and_keys_that_its_strategy_takes(
    recipe: Recipe,
) -> None:
    definitions = {definition.name: definition for definition in BUILTIN}
    generator = definitions[recipe.networks[0]]
    assert set(recipe.networks) <= definitions.keys()
    strategy = registry.find_strategy(recipe.config["strategy"])
    parsed = strategy.parse({**recipe.config, "recipe": recipe.name})
    assert generator.input == (parsed.generator_dim,)
    told = strategy.Config.model_json_schema()["properties"]
    assert recipe.config.keys() <= told.keys()


def test_the_names_differ() -> None:
    assert len({recipe.name for recipe in RECIPES}) == len(RECIPES)


def test_what_a_job_says_itself_wins_over_its_recipe() -> None:
    recipe = find_recipe("digits")
    plain = expand(LearnJob(config={"recipe": "digits"}))
    assert (plain.networks, plain.dataset) == (recipe.networks, "digits")
    assert plain.config == {**recipe.config, "recipe": "digits"}
    own = expand(
        LearnJob(networks=["G", "D"], dataset="mine", config={"recipe": "digits", "batchSize": 7})
    )
    assert (own.networks, own.dataset) == (["G", "D"], "mine")
    assert own.config == {**recipe.config, "recipe": "digits", "batchSize": 7}


def test_a_job_without_a_recipe_names_networks_and_dataset() -> None:
    whole = LearnJob(networks=["G", "D"], dataset="mine")
    assert expand(whole) == whole
    for job in (LearnJob(dataset="mine"), LearnJob(networks=["G", "D"])):
        with pytest.raises(BadInput, match="name them, or a recipe"):
            expand(job)


def test_an_unknown_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'digits'"):
        expand(LearnJob(config={"recipe": "digit"}))
    with pytest.raises(UnknownName, match="known are digits"):
        expand(LearnJob(config={"recipe": 3}))
