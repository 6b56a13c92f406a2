"""The HTTP API for people to read and try, at ``/docs``; no other host is asked for anything."""

import inspect
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI
from fastapi import Path as PathParameter
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from ganforge.errors import BY_SLUG, NotFound

SWAGGER = Path(__file__).parent / "static" / "vendor" / "swagger-ui-dist-5.35.0"


def install(app: FastAPI) -> None:
    """Serve Swagger UI at ``/docs``, and at ``/problems/...`` what each type of problem means."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: HTTP API",
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    @app.get("/problems/{slug}", include_in_schema=False, response_class=PlainTextResponse)
    def problem(slug: Annotated[str, PathParameter(max_length=64)]) -> str:
        error = BY_SLUG.get(slug)
        if error is None:
            raise NotFound(f"there is no problem of this type; there are {', '.join(BY_SLUG)}")
        return f"{error.title} ({error.status})\n\n{inspect.cleandoc(error.__doc__ or '')}\n"

    app.mount("/docs/static", StaticFiles(directory=SWAGGER), name="docs")
