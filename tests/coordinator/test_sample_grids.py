"""Sample grids, as the pages fetch them from the repository."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ganforge_chassis.tokens import COOKIE
from tests.coordinator.conftest import Start
from tests.coordinator.running import TOKENS
from tests.support.coordinator_site import Site, digits_grid
from tests.support.coordinator_site import site as running_site

AS_IMAGE = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}


@pytest.fixture
def site(tmp_path: Path, database_url: str) -> Iterator[Site]:
    with running_site(tmp_path, database_url=database_url) as running:
        yield running


@pytest.fixture
def http(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.url, cookies={COOKIE: TOKENS["read"]}) as client:
        yield client


def test_a_numbered_grid_comes_from_the_repository_and_is_kept_by_browsers(
    site: Site, http: httpx.Client
) -> None:
    work = site.begin()
    version = site.snapshot(work, 100, digits_grid(0.5))
    path = f"/jobs/{work.job_id}/samples/DigitsGenerator/{version}.png"
    answer = http.get(path)
    assert answer.status_code == 200
    assert answer.content == digits_grid(0.5)
    assert answer.headers["Content-Type"] == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    known = {"If-None-Match": answer.headers["ETag"]}
    assert http.get(path, headers=known).status_code == 304


def test_a_grid_that_was_never_drawn_is_a_problem_or_a_picture_that_says_so(
    site: Site, http: httpx.Client
) -> None:
    work = site.begin()
    version = site.snapshot(work, 100, None)
    for path in (
        f"/jobs/{work.job_id}/samples/DigitsGenerator/{version}.png",
        f"/jobs/{work.job_id}/samples/DigitsGenerator/99.png",
        f"/jobs/{work.job_id}/samples/Others/1.png",
        "/jobs/job-00000000/samples/DigitsGenerator/1.png",
    ):
        answer = http.get(path)
        assert answer.status_code == 404
        assert answer.headers["Content-Type"] == "application/problem+json"
    picture = http.get(
        f"/jobs/{work.job_id}/samples/DigitsGenerator/{version}.png", headers=AS_IMAGE
    )
    assert (picture.status_code, picture.headers["Content-Type"]) == (404, "image/svg+xml")
    assert picture.headers["Cache-Control"] == "no-store"


def test_a_repository_that_is_away_leaves_the_page_whole(start: Start) -> None:
    with start(repository_url="http://127.0.0.1:9") as coordinator:
        job = coordinator.submit()
        coordinator.learner().work().note(10)
        assert coordinator.send("GET", f"/jobs/{job.id}").status_code == 200
        answer = coordinator.send("GET", f"/jobs/{job.id}/samples/Generator/1.png")
        assert answer.status_code == 503
        assert answer.json()["type"] == "/problems/unreachable"


def test_a_grid_needs_a_token(site: Site) -> None:
    work = site.begin()
    site.snapshot(work, 100, digits_grid(0.5))
    answer = httpx.get(f"{site.url}/jobs/{work.job_id}/samples/DigitsGenerator/1.png")
    assert answer.status_code == 401
