"""Requests counted and timed, for ``/metrics``."""

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Measuring:
    """Times every request until its answer begins, by route and never by path.

    A route has few values; a path names jobs and would have one series for each.

    Args:
        app: the app to measure.
        registry: where the numbers are told.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._seconds = Histogram(
            # OpenTelemetry's http.server.request.duration, as Prometheus spells it.
            "http_server_request_duration_seconds",
            "Seconds until the answer to a request began; long polls wait as they were asked to",
            ("http_request_method", "http_route", "http_response_status_code"),
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                labels = (scope["method"], route, str(message["status"]))
                self._seconds.labels(*labels).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, measured)
