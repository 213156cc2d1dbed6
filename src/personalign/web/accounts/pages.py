"""/sign-up, /sign-in, /sign-out and /language."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from personalign.web.accounts.phrases import PhraseError, read_phrase
from personalign.web.accounts.sessions import Member, proves, sign_in, sign_out, sign_up
from personalign.web.accounts.tables import Account
from personalign.web.audit.log import append
from personalign.web.pages import forget_cookie, page, see, set_cookie
from personalign.web.refusals import PageRefusal
from personalign.web.site import site_of
from personalign.web.texts import LANGUAGES
from personalign.web.visitor import LANGUAGE_COOKIE, Anyone, address_of, become

router = APIRouter()

Problem = tuple[str, dict[str, object]]
"""What is wrong with a phrase: the key of a text, and its places."""

WAITING = {"/shares/": "share", "/rate/": "study"}
"""Beginnings of paths -> what waits there for whoever signs in."""


@router.get("/sign-up")
def about_signing_up(request: Request, visitor: Anyone, next: str = "/") -> Response:
    """What an account is here, and the button that makes one."""
    return page(
        request,
        "accounts/sign_up.html",
        open=site_of(request).settings.sign_up,
        next=local_path(next),
        waiting=_waiting(next),
    )


@router.post("/sign-up")
def make_account(
    request: Request, visitor: Anyone, next: Annotated[str, Form(max_length=500)] = "/"
) -> Response:
    """Make an account and show its phrase; then on to where somebody wanted to be."""
    site = site_of(request)
    if not site.settings.sign_up:
        raise PageRefusal(403, "no_sign_up")
    count_try(request)
    phrase, cookie = sign_up(site, visitor.language)
    member = become(request, cookie, fresh=False).member
    assert member is not None, "the session was opened just now"
    wanted = local_path(next)
    then = "/consent" if wanted == "/" else wanted
    response = see(f"/shown/{site.once.put(member.id, 'phrase', then, phrase=phrase)}")
    set_cookie(response, site, cookie)
    return response


@router.get("/sign-in")
def ask_phrase(request: Request, visitor: Anyone, next: str = "/") -> Response:
    """Where the phrase is typed."""
    return _sign_in_page(request, next)


@router.post("/sign-in")
def check_phrase(
    request: Request,
    visitor: Anyone,
    phrase: Annotated[str, Form(max_length=500)] = "",
    next: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Sign in, or say what is wrong with the phrase as far as that gives nothing away."""
    site = site_of(request)
    count_try(request)
    problem: Problem = ("accounts.sign_in.unknown", {})
    cookie = None
    try:
        cookie = sign_in(site, read_phrase(phrase))
    except PhraseError as error:
        problem = _problem(error)
    if cookie is None:
        return _sign_in_page(request, next, problem=problem, typed=phrase)
    response = see(local_path(next))
    set_cookie(response, site, cookie)
    return response


@router.post("/sign-out")
def leave(request: Request, visitor: Anyone) -> Response:
    """End this browser's session."""
    site = site_of(request)
    sign_out(site, visitor.cookie)
    if visitor.member is not None:
        site.talks.forget(visitor.member.id)
        site.once.forget(visitor.member.id)
    response = see("/", "signed_out")
    forget_cookie(response, site)
    return response


@router.post("/language")
def choose_language(
    request: Request,
    visitor: Anyone,
    language: Annotated[str, Form()],
    back: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Choose the language of this browser, and of the account."""
    if language not in LANGUAGES:
        raise PageRefusal(400, "not_understood")
    site = site_of(request)
    if visitor.member is not None:
        with site.database.writing() as session:
            session.get_one(Account, visitor.member.id).language = language
    response = see(local_path(back))
    response.set_cookie(
        LANGUAGE_COOKIE, language, max_age=31_536_000, secure=site.settings.secure, samesite="lax"
    )
    return response


class WrongPhrase(Exception):
    """A phrase that was to be the member's own, and is not; `problem` says what is wrong."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem[0])
        self.problem = problem


def check_phrase_of(request: Request, member: Member, phrase: str) -> str:
    """See that a phrase is the member's own; gives what it has proved (`sessions.proves`).

    A try counts as one to sign in, and a wrong one is written down. Raises WrongPhrase.
    """
    site = site_of(request)
    count_try(request)
    try:
        proved = proves(site, member.id, read_phrase(phrase))
    except PhraseError as error:
        raise WrongPhrase(_problem(error)) from error
    if proved is None:
        with site.database.writing() as session:
            append(session, site.vault, "phrase.refused", actor=member.audit_name)
        raise WrongPhrase(("accounts.sign_in.not_yours", {}))
    return proved


def _sign_in_page(
    request: Request, next: str, *, problem: Problem | None = None, typed: str = ""
) -> Response:
    """typed: the phrase as it was typed, to be put right."""
    return page(
        request,
        "accounts/sign_in.html",
        200 if problem is None else 403,
        next=local_path(next),
        waiting=_waiting(next),
        problem=problem,
        typed=typed,
    )


def _waiting(path: str) -> str | None:
    """What waits behind signing in, where that is worth saying: a key of accounts.waiting."""
    return next((what for start, what in WAITING.items() if path.startswith(start)), None)


def _problem(error: PhraseError) -> Problem:
    if error.word is None:
        return ("accounts.sign_in.count", {})
    if error.near is None:
        return ("accounts.sign_in.unknown_word", {"word": error.word})
    return ("accounts.sign_in.misspelt", {"word": error.word, "near": error.near})


def count_try(request: Request) -> None:
    """Count one try of this address; too many are refused, and written down."""
    wait = site_of(request).pace.wait(address_of(request))
    if wait > 0:
        raise PageRefusal(429, "too_many_tries", retry_after=wait, forged=True)


def local_path(path: str) -> str:
    """A path of this site; anything else is the first page.

    >>> local_path("/chat"), local_path("//evil.example"), local_path("https://evil.example")
    ('/chat', '/', '/')
    """
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if plain and path.isprintable() else "/"
