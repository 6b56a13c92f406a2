"""A real Chromium, and pages in it that are watched."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ganforge_chassis.tokens import COOKIE
from tests.coordinator.running import TOKENS
from tests.support.coordinator_site import Site
from tests.support.coordinator_site import site as running_site

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


# Not for the session: playwright's event loop would stay in the thread of all later tests.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("there is no chromium on PATH and CHROMIUM names none")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        expect.set_options(timeout=30_000)  # a loaded machine may take its time
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as running:
        yield running


class Watched:
    """A page, and all that its browser complained of or asked for meanwhile."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))


Open = Callable[..., Watched]


@pytest.fixture
def signed_in(browser: Browser, site: Site) -> Iterator[Open]:
    """Opens a page as admin; in the end nothing may have been complained of, nor asked elsewhere.

    A violation of the content security policy is one of the complaints.
    """
    opened: list[Watched] = []

    def open_page(path: str = "/", **options: Any) -> Watched:
        context = browser.new_context(**options)
        cookie: Any = {"name": COOKIE, "value": TOKENS["admin"], "url": site.url}
        context.add_cookies([cookie])
        watched = Watched(context.new_page())
        opened.append(watched)
        watched.page.goto(site.url + path)
        return watched

    yield open_page
    for watched in opened:
        watched.page.context.close()
        assert watched.complaints == []
        assert watched.hosts == {urlsplit(site.url).netloc}
