"""The documentation is true of the code as it is."""

import ast
import json
import re
import tomllib
from itertools import chain
from pathlib import Path
from typing import get_args

import click
import pytest

from ganforge.cli.application import cli
from ganforge.errors import BY_SLUG
from ganforge.networks import BUILTIN, Module, NetworkDefinition, infer
from ganforge.recipes import RECIPES
from ganforge.wire.strategies import BUILT_IN, GANConfig, WGANConfig
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_learner.settings import LearnerSettings
from ganforge_repository.settings import RepositorySettings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for where in ("*.md", "docs/**/*.md", "clients/*.md", "services/*/*.md")
    for page in ROOT.glob(where)
)
REFERENCE = (ROOT / "docs/reference.md").read_text()
CONFIG_KEYS, DIANNES_KEYS = re.findall(
    r"^## (?:Config|DIANNE's) keys\n(.*?)(?=^## )", REFERENCE, re.MULTILINE | re.DOTALL
)


def blocks(page: Path, language: str) -> list[str]:
    """Find the code blocks of one language."""
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    missing = [
        link
        for link in links
        if not link.startswith(("http:", "https:")) and not (page.parent / link).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_shown_exists_with_its_options(page: Path) -> None:
    own = {"demo", "up", "test", "check", "bench", "chaos", "docs", "setup"}
    text = page.read_text().replace("\\\n", " ")
    for shown in re.findall(
        r"(?:^|`|\$ |python3 )(?:ganforge|run\.py) ([^`\n]+)", text, re.MULTILINE
    ):
        name, *words = shown.split("#")[0].split()
        command = cli.get_command(click.Context(cli), name)
        if command is None:
            assert name in own or not name.isalpha(), shown
            continue
        while isinstance(command, click.Group) and words and words[0].isalpha():
            command = command.get_command(click.Context(command), words.pop(0))
        assert command is not None, shown
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_example_parses(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


@pytest.mark.parametrize(
    ("name", "output"), [("TinyGenerator", (1, 28, 28)), ("TinyConditionalCritic", (1,))]
)
def test_the_example_networks_fit(name: str, output: tuple[int, ...]) -> None:
    page = (ROOT / "docs/howto.md").read_text()
    text = page[page.index(f'{{\n  "name": "{name}"') :]
    definition = NetworkDefinition.model_validate(json.loads(text[: text.index("\n}") + 2]))
    assert infer(definition).output == output


def test_the_reference_has_every_built_in_network() -> None:
    for network in BUILTIN:
        told = infer(network)
        takes, gives = ("x".join(map(str, shape)) for shape in (network.input, told.output))
        row = f"| `{network.name}` | {takes} | {gives} | {network.classes or ''} | "
        assert f"{row}{told.parameters:,} |" in REFERENCE, network.name


def test_the_reference_has_every_module_with_its_fields() -> None:
    for kind in get_args(get_args(Module)[0]):
        (row,) = (
            line
            for line in REFERENCE.splitlines()
            if re.match(rf"\| .*`{kind.__name__}`.* \|", line)
        )
        if kind.__name__ != "ConvTranspose2d":
            for name, field in kind.model_fields.items():
                assert name == "type" or f"`{field.alias}`" in row, kind.__name__


def test_the_reference_has_every_config_key_with_its_default() -> None:
    for key, told in GANConfig.model_json_schema()["properties"].items():
        (row,) = re.findall(rf"^\| `{key}` \|([^|]*)\|", CONFIG_KEYS, re.MULTILINE)
        assert row.strip().strip("`") == in_words(told.get("default")), key


def test_the_reference_has_every_strategy_with_the_keys_of_its_own() -> None:
    usual = GANConfig.model_json_schema()["properties"]
    for name, built_in in BUILT_IN.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*\|([^|]*)\|$", REFERENCE, re.MULTILINE)
        told = dict(pair.split("=") for pair in re.findall(r"`(\w+=[^`]*)`", row))
        keys = built_in.config.model_json_schema()["properties"]
        own = {
            key: in_words(field.get("default"))
            for key, field in keys.items()
            if key != "strategy"
            and (key not in usual or field.get("default") != usual[key].get("default"))
        }
        assert told == own, name


def in_words(default: object) -> str:
    """Say a default as the tables do."""
    return "" if default is None else default if isinstance(default, str) else json.dumps(default)


def test_what_became_of_diannes_keys_is_true() -> None:
    schemas = [config.model_json_schema()["properties"] for config in (WGANConfig, GANConfig)]
    known = schemas[0] | schemas[1]  # where both have a key, GANConfig's default is told
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|[^|]*\| ?([^|]*?) ?\|", DIANNES_KEYS, re.MULTILINE)
    assert len(rows) == len({theirs for theirs, _, _ in rows}) > 40
    for theirs, ours, default in rows:
        if ours == "-" or ours.startswith("the job's"):
            assert theirs not in known, theirs
            continue
        key = ours.strip("`")
        # A second key of theirs may lead to the same key of ours, whose default is told once.
        assert default.strip("`") == in_words(known[key].get("default")), theirs


def test_the_reference_has_every_recipe() -> None:
    section = REFERENCE[REFERENCE.index("## Recipes") : REFERENCE.index("## Settings")]
    rows = re.findall(r"^\| `recipe=([^`]+)` \|", section, re.MULTILINE)
    assert rows == [recipe.name for recipe in RECIPES]
    for recipe in RECIPES:
        row = (
            f"`recipe={recipe.name}`",
            ", ".join(recipe.networks),
            recipe.dataset,
            recipe.summary,
        )
        assert f"| {' | '.join(row)} | {recipe.measured} |" in section, recipe.name


def test_the_reference_has_every_setting() -> None:
    for settings in (CoordinatorSettings, RepositorySettings, LearnerSettings):
        prefix = settings.model_config["env_prefix"]
        for name, field in settings.model_fields.items():
            variable = field.validation_alias or f"{prefix}{name.upper()}"
            assert f"`{variable}`" in REFERENCE, variable


def test_the_reference_has_every_problem() -> None:
    for slug, error in BY_SLUG.items():
        if error.__module__ == "ganforge.errors" and slug != "unreachable":
            assert f"| `{slug}` | {error.status} |" in REFERENCE, slug


def test_every_dependency_is_justified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[^a-z0-9-]", wanted)[0] for wanted in chain(*lists)}
    page = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    for name in names - {"ganforge", "types-jsonschema", "types-pyyaml", "types-psutil"}:
        short = name.removeprefix("pytest")
        assert name in page or short in page, name
