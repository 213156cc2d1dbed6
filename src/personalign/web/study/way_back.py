"""The way back to a study, for a rater who has to answer the questionnaire first.

The link's token is kept nowhere but with whoever has it, so it lies in their browser: in a cookie,
sealed, and shown to their account alone.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING

from personalign.errors import SiteError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from personalign.web.accounts.sessions import Member
    from personalign.web.site import Site

SECONDS = 14 * 24 * 3600
_ABOUT = ("way back", "study")


def keep_way(site: Site, response: Response, account_id: str, token: str) -> None:
    """Let an account find back to the link of a token from other pages."""
    told = json.dumps([account_id, token]).encode()
    response.set_cookie(
        _cookie(site),
        base64.urlsafe_b64encode(site.vault.seal(told, *_ABOUT)).decode(),
        max_age=SECONDS,
        secure=site.settings.secure,
        httponly=True,
        samesite="lax",
        path="/",
    )


def way_back(site: Site, request: Request, member: Member | None) -> str | None:
    """The path of the link that an account has begun with here; None where there is none."""
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_cookie(site), "").encode())
        account_id, token = json.loads(site.vault.open(sealed, *_ABOUT))
    except (SiteError, ValueError, binascii.Error):
        return None
    return f"/rate/{token}" if member is not None and member.id == account_id else None


def end_way(site: Site, response: Response) -> None:
    """Nothing waits there any more."""
    response.delete_cookie(
        _cookie(site), path="/", secure=site.settings.secure, httponly=True, samesite="lax"
    )


def _cookie(site: Site) -> str:
    return "__Host-study" if site.settings.secure else "study"
