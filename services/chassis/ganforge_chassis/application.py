"""The app every service starts from: problems, health, tokens, metrics, a way to stop."""

import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

import ganforge
from ganforge_chassis import docs, health, metrics, problems
from ganforge_chassis.body_limit import BodyLimit
from ganforge_chassis.database import POOL_SIZE, Database
from ganforge_chassis.head import Head
from ganforge_chassis.health import Check
from ganforge_chassis.measuring import Measuring
from ganforge_chassis.metrics import Census
from ganforge_chassis.tokens import Tokens


def create(
    title: str,
    *,
    description: str,
    database: Database,
    tokens: Tokens,
    start: Callable[[], None] = lambda: None,
    stop: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
    max_body_bytes: int | None = None,
    checks: Mapping[str, Check] | None = None,
    census: Census = metrics.count_nothing,
) -> FastAPI:
    """Make a FastAPI app with all that services share.

    ``app.state`` holds ``database``, ``tokens``, ``metrics`` (a Prometheus registry), ``stopping``
    (an event) and ``stop()``, which sets it and may be called more than once.

    Args:
        title: the service's name in OpenAPI.
        description: the service in one sentence.
        database: closed when the app ends.
        tokens: who may call.
        start: called when the app starts, to start threads.
        stop: called when a stop is asked for, to end streams and threads; from a signal handler,
            so it waits for nothing.
        end: called when the app ends, before the database is closed, to wait for threads.
        max_body_bytes: larger request bodies are refused; any are taken when None.
        checks: what must be well, beside the database, for the service to be ready.
        census: what ``/metrics`` counts in the database.
    """
    stopping = threading.Event()

    def stop_once() -> None:
        if not stopping.is_set():
            stopping.set()
            stop()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # A thread more would only wait for a connection to the database.
        to_thread.current_default_thread_limiter().total_tokens = POOL_SIZE
        start()
        yield
        stop_once()
        end()
        database.close()

    app = FastAPI(
        title=title,
        description=description,
        version=ganforge.__version__,
        lifespan=lifespan,
        separate_input_output_schemas=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.database = database
    app.state.tokens = tokens
    app.state.metrics = CollectorRegistry()
    app.state.census = census
    app.state.stopping = stopping
    app.state.stop = stop_once
    app.state.checks = {"database": database.complaint, **(checks or {})}
    problems.install(app)
    metrics.count_fenced(app)
    if max_body_bytes is not None:
        app.add_middleware(BodyLimit, max_bytes=max_body_bytes)
    app.include_router(health.router)
    docs.install(app)
    app.add_middleware(Head)
    app.add_middleware(Measuring, registry=app.state.metrics)
    return app
