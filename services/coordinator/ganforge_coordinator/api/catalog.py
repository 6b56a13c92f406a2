"""What a job may name: strategies, datasets and recipes."""

from ganforge.recipes import RECIPES, Recipe
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.learning import StrategyInfo
from ganforge_chassis.api_route import api_router
from ganforge_coordinator import catalog
from ganforge_coordinator.api.deps import READER, Parts

router = api_router("catalog", prefix="/v1")


@router.get("/strategies", operation_id="listStrategies", dependencies=[READER])
def list_strategies(parts: Parts) -> list[StrategyInfo]:
    """List the learning strategies, each with the JSON Schema of its config keys."""
    with parts.database.read() as connection:
        return list(catalog.strategies(connection).values())


@router.get("/datasets", operation_id="listDatasets", dependencies=[READER])
def list_datasets(parts: Parts) -> list[DatasetInfo]:
    """List the datasets that learners can read."""
    with parts.database.read() as connection:
        return list(catalog.datasets(connection).values())


@router.get("/recipes", operation_id="listRecipes", dependencies=[READER])
def list_recipes() -> list[Recipe]:
    """List the recipes: whole jobs to start from, by `recipe` in a job's config."""
    return list(RECIPES)
