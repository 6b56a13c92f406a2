"""Waiting for a service to say that it is ready."""

import httpx

LOOKS = 60
"""A look takes up to a second while a check is slow, as all are on a busy machine."""


def ready(http: httpx.Client, url: str = "/readyz") -> httpx.Response:
    """Look until the service is ready, and give its answer; the last one when it never is."""
    for _ in range(LOOKS):
        answer = http.get(url)
        if answer.status_code == 200:
            break
    return answer
