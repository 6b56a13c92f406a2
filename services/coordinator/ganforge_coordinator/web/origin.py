"""Where a form came from; pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_ours(headers: Mapping[str, str]) -> bool:
    """Whether a POST with these headers may come from one of our own pages.

    Browsers say where a POST comes from: by Sec-Fetch-Site, and where the address is not secure by
    Origin alone. Who says neither is no browser, and nobody else's page can have sent it. The
    cookie's SameSite does not see to this: to it, other ports of the same host are the same site.
    """
    if site := headers.get("sec-fetch-site"):
        return site in ("same-origin", "none")
    if origin := headers.get("origin"):
        return urlsplit(origin).netloc == headers.get("host")
    return True


def path_of(wanted: str) -> str:
    """Give a path to go on to after signing in; anything but a path of ours becomes ``/``."""
    parts = urlsplit(wanted)
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if is_path and not (parts.scheme or parts.netloc) else "/"
