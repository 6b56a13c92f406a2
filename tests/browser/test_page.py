"""The pages in a real browser, while a learner works."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from ganforge.wire.jobs import JobState
from ganforge.wire.learning import Command
from tests.browser.conftest import Open, Watched
from tests.coordinator.running import TOKENS, Work
from tests.support.coordinator_site import Site, digits_grid

pytestmark = pytest.mark.browser

WCAG = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"],
    }
}


def a_job_with_versions(site: Site, count: int = 3) -> Work:
    """Let a learner do 100 iterations and a snapshot, ``count`` times."""
    work = site.begin(name="digits, live", maxIterations=1000)
    for place in range(count):
        site.learn(work, 100 * place, 100 * (place + 1))
        site.snapshot(work, 100 * (place + 1), digits_grid((place + 1) / count))
    return work


def axe_findings(page: Page) -> list[str]:
    found = Axe().run(page, options=WCAG)
    return [
        f"{rule['id']}: {node['html'][:120]}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


def values(page: Page) -> list[str]:
    return page.locator("#legend output").all_text_contents()


def test_the_link_with_the_token_signs_in_and_leaves_no_trace(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.url}/#token={TOKENS['admin']}")
    expect(page.get_by_role("heading", name="Jobs", exact=True)).to_be_visible()
    assert page.url == f"{site.url}/"
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_focused()
    context.close()


def test_a_wrong_token_is_told(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site.url)
    page.get_by_label("Token").fill("gf_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    context.close()


def test_a_job_appears_in_the_list_by_itself_and_gets_on(site: Site, signed_in: Open) -> None:
    page = signed_in().page
    expect(page.get_by_text("Nothing learns yet")).to_be_visible()
    work = site.begin(name="brand new", maxIterations=1000)
    row = page.locator(f"#{work.job_id}")
    expect(row).to_contain_text("brand new")
    site.learn(work, 0, 250)
    expect(row).to_contain_text("250 / 1,000")
    site.snapshot(work, 250, digits_grid(0.4))
    expect(row.locator("img")).to_have_attribute("src", re.compile(r"/1\.png$"))


def test_both_losses_appear_live_and_only_new_points_are_sent(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site)
    watched = signed_in(f"/jobs/{work.job_id}")
    page = watched.page
    histories: list[str] = []
    page.on("request", lambda told: histories.append(told.url) if "/progress" in told.url else None)
    legend = page.locator("#legend")
    expect(legend).to_contain_text("generator loss")
    expect(legend).to_contain_text("discriminator loss, real")
    expect(legend).to_contain_text("discriminator loss, fake")
    expect(page.locator("#chart canvas")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    before = values(page)
    site.learn(work, 300, 400)
    newest = site.coordinator.client.job(work.job_id).progress
    assert newest is not None
    assert newest.minibatch_loss is not None
    expect(legend.locator("output").first).to_have_text(f"{newest.minibatch_loss:.4f}")
    assert all(now != then for now, then in zip(values(page), before, strict=True))
    expect(page.locator("#readouts")).to_contain_text("400 / 1,000")
    assert histories == []


def test_the_newest_grid_renews_itself(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site)
    page = signed_in(f"/jobs/{work.job_id}").page
    grid = page.locator("#grid")
    expect(grid).to_have_attribute("src", re.compile(r"/3\.png$"))
    expect(page.locator("#live")).to_have_text("Live")
    site.snapshot(work, 350, digits_grid(1.0, seed=8))
    expect(grid).to_have_attribute("src", re.compile(r"/4\.png$"))
    expect(page.locator("#shown")).to_have_text("version 4 · iteration 350")
    expect(page.locator("#strip li")).to_have_count(4)
    assert grid.evaluate("image => image.naturalWidth") == 73
    assert grid.evaluate("image => (2 * image.width / image.naturalWidth) % 1") == 0
    assert grid.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"


def test_the_first_grid_comes_into_a_page_that_had_none(site: Site, signed_in: Open) -> None:
    work = site.begin()
    page = signed_in(f"/jobs/{work.job_id}").page
    expect(page.get_by_text("No progress has arrived yet")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    site.learn(work, 0, 5)
    expect(page.locator("#chart canvas")).to_be_visible()
    site.snapshot(work, 5, digits_grid(0.1))
    expect(page.get_by_alt_text("Samples drawn by DigitsGenerator, version 1")).to_be_visible()


def test_every_version_can_be_shown_by_scrubber_strip_and_play(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site, count=5)
    page = signed_in(f"/jobs/{work.job_id}").page
    scrub = page.get_by_label("Version", exact=True)
    shown = page.locator("#shown")
    scrub.focus()
    for version in (4, 3, 2, 1):
        page.keyboard.press("ArrowLeft")
        expect(shown).to_contain_text(f"version {version} ")
    page.locator("#strip a").nth(2).click()
    expect(shown).to_have_text("version 3 · iteration 300")
    expect(scrub).to_have_attribute("aria-valuetext", "version 3, iteration 300")
    page.get_by_role("button", name="Newest").click()
    expect(shown).to_contain_text("version 5 ")
    play = page.locator("#play")
    play.click()
    expect(play).to_have_text("Pause")
    for version in (1, 3, 5):
        expect(shown).to_contain_text(f"version {version} ")
    expect(play).to_have_text("Play")


def test_who_looks_at_an_old_version_is_not_torn_away(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site)
    page = signed_in(f"/jobs/{work.job_id}").page
    page.locator("#strip a").first.click()
    expect(page.locator("#live")).to_have_text("Live")
    site.snapshot(work, 350, digits_grid(1.0))
    expect(page.locator("#strip li")).to_have_count(4)
    expect(page.locator("#shown")).to_contain_text("version 1 ")
    expect(page.get_by_role("button", name="Newest")).to_be_enabled()


def test_points_that_a_new_attempt_went_back_behind_are_dropped(
    site: Site, signed_in: Open
) -> None:
    work = site.begin()
    work.push(0, 0, [1.0] * 10)
    page = signed_in(f"/jobs/{work.job_id}").page
    page.get_by_text("Numbers as a table").click()
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#table-body tr")).to_have_count(10)
    site.coordinator.expire(work.id)
    site.coordinator.until(work.job_id, JobState.QUEUED)
    again = site.coordinator.learner("second").work(resume_iteration=4)
    expect(page.locator("#table-body tr")).to_have_count(4)
    again.push(0, 4, [2.0, 3.0])
    expect(page.locator("#table-body tr")).to_have_count(6)
    expect(page.locator("#table-body tr").last).to_have_text("53.0000")
    expect(page.locator("#attempts")).to_contain_text("went on at 4")
    expect(page.locator("#attempts")).to_contain_text("fell silent")


def test_what_happens_while_the_stream_is_cut_is_told_afterwards(
    site: Site, signed_in: Open
) -> None:
    work = site.begin()
    work.push(0, 0, [1.0] * 3)
    page = signed_in(f"/jobs/{work.job_id}").page
    page.get_by_text("Numbers as a table").click()
    expect(page.locator("#live")).to_have_text("Live")
    service = site.coordinator.app.state.service
    service.stopping.set()  # as when the server is about to go: every stream ends at once
    service.signals.notify_all()
    expect(page.locator("#live")).to_have_text("Reconnecting")
    work.push(1, 3, [2.0] * 2)
    site.snapshot(work, 5, digits_grid(0.2))
    work.push(2, 5, [3.0] * 2)
    service.stopping.clear()
    expect(page.locator("#table-body tr")).to_have_count(7)
    expect(page.locator("#shown")).to_have_text("version 1 · iteration 5")


def test_stop_works_by_keyboard_and_the_page_tells_of_it(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site)
    page = signed_in(f"/jobs/{work.job_id}").page
    expect(page.locator("#live")).to_have_text("Live")
    stop = page.get_by_role("button", name="Stop")
    for _ in range(12):
        page.keyboard.press("Tab")
        if stop.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#lead")).to_contain_text("Stopping")
    assert work.beat(iteration=300).command is Command.STOP
    expect(page.locator("#live")).to_have_text("Live")
    work.complete(iteration=300)
    expect(page.locator("#head .state")).to_have_text("succeeded")
    expect(page.locator("#lead")).to_contain_text("what was learnt is kept")
    expect(page.locator("#live")).to_have_text("Finished")


def test_the_page_follows_a_job_that_somebody_else_retries(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site)
    work.complete(iteration=300)
    page = signed_in(f"/jobs/{work.job_id}").page
    expect(page.locator("#live")).to_have_text("Finished")
    site.coordinator.send("POST", f"/v1/jobs/{work.job_id}/retry")
    again = site.coordinator.learner("second").work(resume_iteration=300)
    again.push(0, 300, [0.125])
    expect(page.locator("#legend output").first).to_have_text("0.1250")


def test_without_javascript_all_is_there_and_works(site: Site, signed_in: Open) -> None:
    work = a_job_with_versions(site)
    page = signed_in(java_script_enabled=False).page
    page.get_by_role("link", name="digits, live").click()
    expect(page.locator("#grid")).to_be_visible()
    page.get_by_alt_text("Version 1, iteration 100").click()
    expect(page.locator("#shown")).to_have_text("version 1 · iteration 100")
    page.get_by_text("Numbers as a table").click()
    expect(page.locator("#table-body tr").last).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#lead")).to_contain_text("Pausing")
    assert work.beat().command is Command.PAUSE


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_found_that_bars_anybody(site: Site, signed_in: Open, scheme: str) -> None:
    empty = signed_in(color_scheme=scheme)
    assert axe_findings(empty.page) == []
    work = a_job_with_versions(site)
    site.coordinator.submit(name="waits")
    listed = signed_in(color_scheme=scheme)
    expect(listed.page.locator("#live")).to_have_text("Live")
    assert axe_findings(listed.page) == []
    job: Watched = signed_in(f"/jobs/{work.job_id}", color_scheme=scheme)
    expect(job.page.locator("#chart canvas")).to_be_visible()
    job.page.get_by_text("Numbers as a table").click()
    assert axe_findings(job.page) == []
    narrow = signed_in(
        f"/jobs/{work.job_id}", color_scheme=scheme, viewport={"width": 360, "height": 800}
    )
    expect(narrow.page.locator("#chart canvas")).to_be_visible()
    assert axe_findings(narrow.page) == []
    assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_found_on_the_door(browser: Browser, site: Site, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(site.url)
    assert axe_findings(page) == []
    page.get_by_label("Token").fill("gf_wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert axe_findings(page) == []
    context.close()


def test_a_long_run_is_drawn_at_once(site: Site, signed_in: Open) -> None:
    work = site.begin(name="long")
    for first in range(0, 100_000, 4000):
        site.learn(work, first, first + 4000)
    page = signed_in(f"/jobs/{work.job_id}").page
    expect(page.locator("#chart canvas")).to_be_visible()
    page.get_by_text("Numbers as a table").click()
    expect(page.locator("#table-body tr").last).to_contain_text("99,999")


def test_the_http_api_is_there_to_read_and_try(signed_in: Open) -> None:
    page = signed_in("/docs").page
    expect(page.locator("#operations-jobs-submitJob")).to_be_visible()
    expect(page.get_by_role("button", name="Authorize")).to_be_visible()
