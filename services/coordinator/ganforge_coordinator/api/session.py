"""Signing in: a token becomes a cookie that no script reads and no other site sends."""

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from ganforge.errors import NotAuthenticated
from ganforge_chassis.tokens import COOKIE, Tokens
from ganforge_coordinator.api.pages import OURS
from ganforge_coordinator.web.origin import path_of
from ganforge_coordinator.web.page import PageRoute, sign_in

router = APIRouter(prefix="/session", route_class=PageRoute, include_in_schema=False)

DAYS_30 = 30 * 86_400


@router.post("", dependencies=[OURS])
def start(
    request: Request,
    token: Annotated[str, Form(max_length=500)] = "",
    wanted: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Check the token, keep it in the cookie, go on to the page that was wanted."""
    tokens: Tokens = request.app.state.tokens
    try:
        tokens.caller(token.strip())
    except NotAuthenticated:
        return sign_in(request, wanted=path_of(wanted), wrong=True)
    response = RedirectResponse(path_of(wanted), status_code=303)
    response.set_cookie(
        COOKIE,
        token.strip(),
        max_age=DAYS_30,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/end", dependencies=[OURS])
def end() -> Response:
    """Forget the cookie."""
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
