"""That somebody signed in anew a moment ago, for what cannot be undone: a sealed cookie."""

from __future__ import annotations

import base64
import binascii
import json
import time
from typing import TYPE_CHECKING

from personalign.errors import SiteError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from personalign.web.site import Site

SECONDS = 300
_ABOUT = ("confirmed", "account")


def confirm(site: Site, response: Response, account_id: str) -> None:
    """Let the browser prove for five minutes that this account signed in anew."""
    told = json.dumps([account_id, time.time() + SECONDS]).encode()
    sealed = base64.urlsafe_b64encode(site.vault.seal(told, *_ABOUT)).decode()
    response.set_cookie(
        _cookie(site),
        sealed,
        max_age=SECONDS,
        secure=site.settings.secure,
        httponly=True,
        samesite="lax",
        path="/",
    )


def confirmed(site: Site, request: Request, account_id: str) -> bool:
    """Whether it did."""
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_cookie(site), "").encode())
        who, until = json.loads(site.vault.open(sealed, *_ABOUT))
    except (SiteError, ValueError, binascii.Error):
        return False
    return bool(who == account_id and time.time() < until)


def _cookie(site: Site) -> str:
    return "__Host-confirmed" if site.settings.secure else "confirmed"
