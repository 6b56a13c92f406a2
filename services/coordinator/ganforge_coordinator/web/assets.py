"""The pages' static files."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parent / "static"
WEEKS_4 = 28 * 86_400


class Assets(StaticFiles):
    """Static files that browsers ask about again, except those whose folder names their version."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file."""
        response = await super().get_response(path, scope)
        is_pinned = path.startswith("vendor/") and path.count("/") > 1
        lasting = f"public, max-age={WEEKS_4}, immutable"
        response.headers["Cache-Control"] = lasting if is_pinned else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response
