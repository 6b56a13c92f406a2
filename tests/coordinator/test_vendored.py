"""The browser libraries shipped with the pages are the ones that were listed."""

import hashlib
import json

import pytest

from ganforge_coordinator.web.assets import FOLDER

VENDOR = FOLDER / "vendor"
LISTED = json.loads((VENDOR / "vendor.json").read_text())


@pytest.mark.parametrize("package", LISTED, ids=lambda package: package["name"])
def test_every_vendored_file_has_the_listed_sha256(package: dict[str, object]) -> None:
    folder = VENDOR / f"{package['name']}-{package['version']}"
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert found == package["sha256"]
    assert "LICENSE" in found


def test_nothing_is_vendored_that_is_not_listed() -> None:
    listed = {f"{package['name']}-{package['version']}" for package in LISTED}
    assert {entry.name for entry in VENDOR.iterdir() if entry.is_dir()} == listed


def test_the_pages_weigh_at_most_150_kb_in_scripts_and_styles() -> None:
    files = [file for kind in ("*.js", "*.css") for file in FOLDER.rglob(kind)]
    assert sum(file.stat().st_size for file in files) <= 150_000
