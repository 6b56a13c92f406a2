"""What learners tell of a version's quality, and how people are told of it."""

import pytest

from ganforge.errors import LeaseLost
from ganforge.wire.learning import Outcome
from ganforge.wire.quality import QualityNote
from ganforge_coordinator.quality import best
from ganforge_coordinator.web import quality_chart
from tests.coordinator.running import Coordinator
from tests.support.qualities import quality


def note(iteration: int, fcd: float, *, is_best: bool = False) -> QualityNote:
    return QualityNote(
        iteration=iteration,
        network="Generator",
        tag="run",
        version=iteration // 100,
        is_best=is_best,
        quality=quality(fcd),
    )


def test_the_quality_of_a_version_is_told_once_however_often_it_is_said(
    coordinator: Coordinator,
) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    for told in (note(100, 90.0), note(100, 90.0), note(200, 40.0, is_best=True)):
        work.client.note_quality(work.id, told)
    work.complete(Outcome.SUCCEEDED)

    assert coordinator.client.quality(job.id) == [note(100, 90.0), note(200, 40.0, is_best=True)]
    events = [event for event in coordinator.events(job.id) if event.type == "quality"]
    assert [event.data["quality"]["fcd"] for event in events] == [90.0, 40.0]
    with pytest.raises(LeaseLost):
        work.client.note_quality(work.id, note(300, 30.0))


def test_the_page_shows_the_figures_beside_those_of_real_images(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    work = coordinator.learner().work()
    before = coordinator.send("GET", f"/jobs/{job.id}").text
    for told in (note(100, 90.0), note(200, 40.0), note(300, 55.5)):
        work.client.note_quality(work.id, told)

    page = coordinator.send("GET", f"/jobs/{job.id}").text

    assert "Quality" not in before
    assert "best: version 2, iteration 200, distance 40.000" in page
    assert '<polyline class="fcd"' in page
    rows = page[page.index("<tbody>", page.index('id="quality"')) :].split("</tr>")
    assert [">300<" in rows[0], ">200<" in rows[1], ">100<" in rows[2]] == [True, True, True]
    assert 'class="best"' in rows[1]
    assert ">real<" in rows[3]
    assert ">1.50<" in rows[3]


def test_the_best_version_is_the_one_with_the_lowest_distance() -> None:
    assert best([note(100, 90.0), note(200, 40.0), note(300, 50.0)]) == note(200, 40.0)
    assert best([]) is None


def test_the_curve_falls_with_the_distance_and_stays_within_its_picture() -> None:
    assert quality_chart.draw([note(100, 90.0)]) is None
    curve = quality_chart.draw([note(100, 1000.0), note(200, 10.0), note(300, 0.0)])

    assert curve is not None
    (x0, y0), (x1, y1), (x2, y2) = curve.points
    assert 0 <= x0 < x1 < x2 <= quality_chart.WIDTH
    assert 0 <= y0 < y1 < y2 <= quality_chart.HEIGHT
    assert y1 < curve.floor < y2
