"""The pages as HTML, over a real socket, without a browser."""

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from ganforge.wire.jobs import JobError, JobState
from ganforge.wire.learning import Outcome
from ganforge_chassis.tokens import COOKIE
from ganforge_coordinator.web.page import POLICY
from tests.coordinator.running import TOKENS, Coordinator
from tests.support.learners import DIGITS

HOSTILE = "<script>alert('hi')</script>\"'><img src=x onerror=alert(1)>"


class Outline(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for found, attrs in self.tags if found == tag]


@pytest.fixture
def site(coordinator: Coordinator) -> Iterator[httpx.Client]:
    """A caller without JavaScript, signed in as admin; follows no redirect by itself."""
    with httpx.Client(base_url=coordinator.url, cookies={COOKIE: TOKENS["admin"]}) as http:
        yield http


@pytest.fixture
def stranger(coordinator: Coordinator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=coordinator.url) as http:
        yield http


def headers_of_a_page(response: httpx.Response) -> None:
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_the_policy_lets_nothing_in_but_our_own_files() -> None:
    assert POLICY == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    )


@pytest.mark.parametrize("path", ["/", "/jobs/job-00000000"])
def test_who_is_not_signed_in_is_asked_for_the_token(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(path)
    assert answer.status_code == 401
    headers_of_a_page(answer)
    (form,) = Outline(answer.text).all("form")
    assert (form["method"], form["action"]) == ("post", "/session")
    assert {"name": "wanted", "type": "hidden", "value": path} in Outline(answer.text).all("input")


def test_the_right_token_becomes_a_cookie_that_scripts_and_other_sites_never_get(
    stranger: httpx.Client,
) -> None:
    answer = stranger.post(
        "/session", data={"token": f" {TOKENS['read']}\n", "wanted": "/?show=all"}
    )
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/?show=all"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKENS['read']};")
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert stranger.get("/").status_code == 200


def test_a_wrong_token_is_told_in_the_form(stranger: httpx.Client) -> None:
    answer = stranger.post("/session", data={"token": "gf_wrong"})
    assert answer.status_code == 401
    assert "not known here" in answer.text
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "wanted", ["//elsewhere.example/", "https://elsewhere.example", "/\\x", ""]
)
def test_signing_in_leads_to_our_own_pages_alone(stranger: httpx.Client, wanted: str) -> None:
    answer = stranger.post("/session", data={"token": TOKENS["read"], "wanted": wanted})
    assert answer.headers["Location"] == "/"


def test_signing_out_forgets_the_cookie(site: httpx.Client) -> None:
    answer = site.post("/session/end")
    assert answer.status_code == 303
    assert answer.headers["Set-Cookie"].startswith(f'{COOKIE}="";')
    assert "Max-Age=0" in answer.headers["Set-Cookie"]


def test_an_empty_list_tells_the_command_to_type(site: httpx.Client) -> None:
    answer = site.get("/")
    assert answer.status_code == 200
    headers_of_a_page(answer)
    assert "ganforge learn Generator,Discriminator MNIST" in answer.text
    assert "No learner has come yet" in answer.text


def test_the_command_to_type_names_a_dataset_that_some_learner_reads(
    coordinator: Coordinator, site: httpx.Client
) -> None:
    coordinator.learner("small", datasets=[DIGITS])
    text = site.get("/").text
    assert 0 < text.index("DigitsDiscriminator digits") < text.index("Discriminator MNIST")


def test_the_list_tells_of_jobs_and_learners_without_javascript(
    coordinator: Coordinator, site: httpx.Client
) -> None:
    job = coordinator.submit(name="my run", config={"maxIterations": 400, "generatorDim": 10})
    work = coordinator.learner("attic").work()
    work.push(0, 0, [0.75, 0.5], iterations_per_second=2.0)
    work.note(2, version=3)
    text = site.get("/").text
    for told in ("my run", job.id, "Generator, Discriminator", "MNIST", "running", "0.5000"):
        assert told in text
    assert "3 min 19 s" in text
    assert f"/jobs/{job.id}/samples/Generator/3.png" in text
    assert "attic" in text
    assert {"value": "2", "max": "400", "aria-label": "Iterations done"} in Outline(text).all(
        "progress"
    )


def test_an_unchanged_page_is_not_sent_again(coordinator: Coordinator, site: httpx.Client) -> None:
    first = site.get("/")
    again = {"If-None-Match": first.headers["ETag"]}
    assert site.get("/", headers=again).status_code == 304
    coordinator.submit()
    assert site.get("/", headers=again).status_code == 200


def test_long_lists_have_pages(coordinator: Coordinator, site: httpx.Client) -> None:
    ids = [coordinator.submit().id for _ in range(52)]
    newest = Outline(site.get("/").text)
    older = next(a["href"] for a in newest.all("a") if "pageToken" in (a["href"] or ""))
    text = site.get(str(older)).text
    assert [job_id in text for job_id in ids] == [True] * 2 + [False] * 50


def test_the_tabs_show_what_is_over_or_not(coordinator: Coordinator, site: httpx.Client) -> None:
    over, active = coordinator.submit().id, coordinator.submit().id
    coordinator.send("POST", f"/v1/jobs/{over}/cancel")
    finished = site.get("/?show=finished").text
    assert over in finished
    assert active not in finished
    assert active in site.get("/?show=active").text


def test_an_unknown_job_is_a_page_that_says_so(site: httpx.Client) -> None:
    for path in ("/jobs/job-00000000", "/jobs/nonsense", "/jobs/%22%3E%3Cscript%3E"):
        answer = site.get(path)
        assert answer.status_code == 404
        headers_of_a_page(answer)
        assert "there is no job" in answer.text
        assert "<script>" not in answer.text


def test_a_hostile_name_stays_text(coordinator: Coordinator, site: httpx.Client) -> None:
    job = coordinator.submit(name=HOSTILE)
    for path in ("/", f"/jobs/{job.id}"):
        found = Outline(site.get(path).text)
        assert HOSTILE in found.text
        assert all("src" in script for script in found.all("script"))
        assert not any("onerror" in attrs for _, attrs in found.tags)
        assert not any("style" in attrs for _, attrs in found.tags)


def test_a_job_shows_config_attempts_numbers_weights_and_how_to_ask_again(
    coordinator: Coordinator, site: httpx.Client
) -> None:
    job = coordinator.submit(config={"learningRate": 0.005, "generatorDim": 10})
    work = coordinator.learner("attic").work()
    work.push(0, 0, [0.75, 0.5])
    work.note(2, version=3)
    text = site.get(f"/jobs/{job.id}").text
    for told in ("learningRate", "0.005", "attic", "works on it", "0.7500", "Stop", "Pause"):
        assert told in text
    assert f"/v1/networks/Generator/tags/{job.tag}/versions/3/weights" in text
    assert "curl" in text
    assert "ganforge learn Generator,Discriminator MNIST" in text


def test_a_failed_job_says_why(coordinator: Coordinator, site: httpx.Client) -> None:
    job = coordinator.submit()
    error = JobError(slug="diverged", detail="minibatchLoss is NaN", iteration=1200)
    coordinator.learner().work().complete(Outcome.FAILED, error=error, permanent=True)
    text = site.get(f"/jobs/{job.id}").text
    assert "Training diverged in iteration 1,200: minibatchLoss is NaN" in text
    assert "Retry" in text


def test_every_button_is_a_form_that_works(coordinator: Coordinator, site: httpx.Client) -> None:
    job = coordinator.submit()
    for button, state in (
        ("pause", JobState.PAUSED),
        ("resume", JobState.QUEUED),
        ("cancel", JobState.CANCELLED),
        ("retry", JobState.QUEUED),
        ("stop", JobState.CANCELLED),
    ):
        forms = Outline(site.get(f"/jobs/{job.id}").text).all("form")
        action = f"/jobs/{job.id}/{button}"
        assert action in [form["action"] for form in forms if form["method"] == "post"]
        answer = site.post(action)
        assert (answer.status_code, answer.headers["Location"]) == (303, f"/jobs/{job.id}")
        assert coordinator.client.job(job.id).state == state


def test_a_button_that_came_too_late_says_so(coordinator: Coordinator, site: httpx.Client) -> None:
    job = coordinator.submit()
    site.post(f"/jobs/{job.id}/cancel")
    answer = site.post(f"/jobs/{job.id}/pause")
    assert answer.status_code == 409
    assert "cannot be paused now" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
    ],
)
def test_forms_of_other_pages_do_nothing(
    coordinator: Coordinator, site: httpx.Client, headers: dict[str, str]
) -> None:
    job = coordinator.submit()
    for path in (f"/jobs/{job.id}/cancel", "/session/end"):
        assert site.post(path, headers=headers).status_code == 403
    assert site.post("/session", headers=headers, data={"token": "x"}).status_code == 403
    assert coordinator.client.job(job.id).state == JobState.QUEUED


def test_forms_of_our_own_pages_are_known_by_either_header(
    coordinator: Coordinator, site: httpx.Client
) -> None:
    job = coordinator.submit()
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": coordinator.url}):
        assert site.post(f"/jobs/{job.id}/pause", headers=headers).status_code == 303


def test_who_may_only_read_sees_no_buttons_and_cannot_press_them(
    coordinator: Coordinator, stranger: httpx.Client
) -> None:
    job = coordinator.submit()
    stranger.cookies.set(COOKIE, TOKENS["read"])
    forms = Outline(stranger.get(f"/jobs/{job.id}").text).all("form")
    assert [form["action"] for form in forms] == ["/session/end"]
    assert stranger.post(f"/jobs/{job.id}/stop").status_code == 403
    assert coordinator.client.job(job.id).state == JobState.QUEUED


def test_the_api_answers_with_problems_not_with_pages(stranger: httpx.Client) -> None:
    answer = stranger.get("/v1/jobs")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_static_files_are_served_and_those_with_a_version_are_kept(stranger: httpx.Client) -> None:
    own = stranger.get("/static/style.css")
    assert own.headers["Cache-Control"] == "no-cache"
    again = stranger.get("/static/style.css", headers={"If-None-Match": own.headers["ETag"]})
    assert again.status_code == 304
    uplot = stranger.get("/static/vendor/uplot-1.6.32/uPlot.iife.min.js")
    assert "immutable" in uplot.headers["Cache-Control"]
    assert stranger.get("/static/nothing.js").status_code == 404
    assert stranger.get("/static/../app.py").status_code == 404
