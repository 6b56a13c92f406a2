"""The browser libraries shipped with the pages are the ones that were listed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ganforge_chassis import docs
from ganforge_coordinator.web import assets

HOMES = (assets.FOLDER / "vendor", docs.SWAGGER.parent)
PACKAGES = [
    pytest.param(home, package, id=package["name"])
    for home in HOMES
    for package in json.loads((home / "vendor.json").read_text())
]


@pytest.mark.parametrize(("home", "package"), PACKAGES)
def test_every_vendored_file_has_the_listed_sha256(home: Path, package: dict[str, Any]) -> None:
    folder = home / f"{package['name']}-{package['version']}"
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert found == package["sha256"]
    assert "LICENSE" in found


@pytest.mark.parametrize("home", HOMES)
def test_nothing_is_vendored_that_is_not_listed(home: Path) -> None:
    listed = json.loads((home / "vendor.json").read_text())
    names = {f"{package['name']}-{package['version']}" for package in listed}
    assert {entry.name for entry in home.iterdir() if entry.is_dir()} == names


def test_the_pages_weigh_at_most_150_kb_in_scripts_and_styles() -> None:
    files = [file for kind in ("*.js", "*.css") for file in assets.FOLDER.rglob(kind)]
    assert sum(file.stat().st_size for file in files) <= 150_000
