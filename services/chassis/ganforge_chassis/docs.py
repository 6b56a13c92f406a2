"""The HTTP API for people to read and try, at ``/docs``; no other host is asked for anything."""

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

SWAGGER = Path(__file__).parent / "static" / "vendor" / "swagger-ui-dist-5.35.0"


def install(app: FastAPI) -> None:
    """Serve Swagger UI at ``/docs``, from files shipped with the package."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: HTTP API",
            swagger_js_url="/docs/static/swagger-ui-bundle.js",
            swagger_css_url="/docs/static/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    app.mount("/docs/static", StaticFiles(directory=SWAGGER), name="docs")
