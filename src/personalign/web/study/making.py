"""/studies/new: a study of pairs that are handed in, or of replies that are written here."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from starlette.responses import Response

from personalign.errors import EvaluationError
from personalign.evaluation.assistants import CONDITIONS, DEFAULT_CONTRAST
from personalign.evaluation.blind import BlindPair, Key, contrasts_in
from personalign.evaluation.general_prompts import prompts_in
from personalign.evaluation.text_files import decoded
from personalign.web.accounts.sessions import Member
from personalign.web.audit.log import append, wait_for_turn
from personalign.web.database.base import new_id, now, seal
from personalign.web.pages import page, see
from personalign.web.refusals import PageRefusal
from personalign.web.site import Site, site_of
from personalign.web.study import handing_in
from personalign.web.study.packs import keep_packs
from personalign.web.study.problems import Wrong, problem_text
from personalign.web.study.recipe import (
    FEWEST_TOKENS,
    MOST_PROMPTS,
    MOST_TOKENS,
    SOURCES,
    Recipe,
    recipe_for,
)
from personalign.web.study.speakers import newest_personas
from personalign.web.study.tables import Study
from personalign.web.visitor import has

router = APIRouter()

WAYS = ("written", "pack", "replies")
"""How a study gets its pairs: written here; a pack and its key; replies to be packed."""

LONGEST_TITLE, LONGEST_TOLD, LONGEST_PROMPTS = 200, 2000, 150_000

OFFERED = tuple(
    f"{one}:{other}" for place, one in enumerate(CONDITIONS) for other in CONDITIONS[place + 1 :]
)
"""Contrasts of what is written here."""

Researcher = Annotated[Member, Depends(has("researcher"))]


@dataclass(frozen=True)
class Filled:
    """What stands in the form, so that nothing is lost when something in it is wrong."""

    title: str = ""
    told: str = ""
    prompts: str = ""
    contrast: list[str] = field(default_factory=lambda: [":".join(DEFAULT_CONTRAST)])
    contrasts: str = "aligned:misaligned"
    """As `contrast`, one a line, of replies with conditions of any name."""
    source: str = SOURCES[0]
    model: str = ""
    tokens: str = "160"


@router.get("/studies/new")
def choose(request: Request, member: Researcher) -> Response:
    """The three ways to a study."""
    return page(request, "study/choose.html", ways=WAYS)


@router.get("/studies/new/{way}")
def ask(request: Request, way: str, member: Researcher) -> Response:
    """The form of one way."""
    examples = site_of(request).texts.say(member.language, "study.new.example_prompts")
    return _form(request, way, member, Filled(prompts=examples))


@router.post("/studies/new/{way}")
def make(
    request: Request,
    way: str,
    member: Researcher,
    title: Annotated[str, Form()] = "",
    told: Annotated[str, Form()] = "",
    prompts: Annotated[str, Form()] = "",
    contrast: Annotated[list[str] | None, Form()] = None,
    contrasts: Annotated[str, Form()] = "",
    source: Annotated[str, Form()] = "",
    model: Annotated[str, Form()] = "",
    tokens: Annotated[str, Form()] = "",
    prompts_file: Annotated[UploadFile | None, File()] = None,
    packs: Annotated[list[UploadFile] | None, File()] = None,
    key: Annotated[UploadFile | None, File()] = None,
    replies: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """Make a study, or show the form again with what is wrong, everything in it kept."""
    site = site_of(request)
    filled = Filled(title, told, prompts, contrast or [], contrasts, source, model, tokens)
    if way not in WAYS:
        raise PageRefusal(404, "not_found")
    recipe, pairs = None, None
    try:
        _check_words(filled)
        if way == "written":
            recipe = _recipe(site, member, filled, _sent(prompts_file))
        elif way == "pack":
            given = [file for file in map(_sent, packs or []) if file is not None]
            pairs = handing_in.packed(given, _sent(key))
        else:
            pairs = handing_in.packed_replies(_sent(replies), contrasts)
        study_id = _keep(site, member, filled, recipe, pairs)
    except EvaluationError as error:
        problem = problem_text(partial(site.texts.say, member.language), error)
        return _form(request, way, member, filled, problem)
    if recipe is not None and recipe.source != "raters":
        site.pair_writer.begin(study_id, member.id)
    return see(f"/studies/{study_id}", "study_made")


def _form(
    request: Request, way: str, member: Member, filled: Filled, problem: str | None = None
) -> Response:
    if way not in WAYS:
        raise PageRefusal(404, "not_found")
    site = site_of(request)
    return page(
        request,
        "study/new.html",
        200 if problem is None else 400,
        way=way,
        filled=filled,
        problem=problem,
        offered=OFFERED,
        sources=SOURCES,
        models=list(site.services),
        fewest=FEWEST_TOKENS,
        most=MOST_TOKENS,
        most_prompts=MOST_PROMPTS,
    )


def _check_words(filled: Filled) -> None:
    for reason, text, longest in (
        ("long_title", filled.title, LONGEST_TITLE),
        ("long_told", filled.told, LONGEST_TOLD),
        ("long_prompts", filled.prompts, LONGEST_PROMPTS),
    ):
        if len(text) > longest:
            raise Wrong(reason, characters=len(text), longest=longest)
    if not filled.title.strip():
        raise Wrong("no_title")


def _recipe(site: Site, member: Member, filled: Filled, file: handing_in.File | None) -> Recipe:
    text, name = filled.prompts.replace("\r\n", "\n"), "prompts.txt"
    if file is not None:
        name = file[0] if file[0].endswith(".jsonl") else "prompts.txt"
        text = decoded(file[1], file[0])
    model = filled.model or next(iter(site.services))
    if model not in site.services:
        raise Wrong("model", model=model, known=", ".join(site.services))
    if not filled.tokens.isascii() or not filled.tokens.isdigit() or len(filled.tokens) > 6:
        raise Wrong("tokens", tokens=filled.tokens, fewest=FEWEST_TOKENS, most=MOST_TOKENS)
    recipe = recipe_for(
        prompts_in(text, name),
        contrasts_in(filled.contrast),
        source=filled.source,
        model=model,
        tokens=int(filled.tokens),
    )
    if recipe.source == "simulated" and not site.aligner.able(model):
        raise Wrong("quantised", model=model)
    if recipe.source == "mine":
        with site.database.reading() as session:
            if newest_personas(session, member.id, model) is None:
                raise Wrong("no_persona", model=model)
    return recipe


def _keep(
    site: Site,
    member: Member,
    filled: Filled,
    recipe: Recipe | None,
    pairs: tuple[list[BlindPair], Key] | None,
) -> str:
    """The study with its pairs, where they are there already, in one transaction; gives its id."""
    raters = recipe is not None and recipe.source == "raters"
    study = Study(
        id=new_id(),
        account_id=member.id,
        own_answers=raters,
        state="making" if recipe is not None and not raters else "ready",
        created_at=now(),
    )
    for column, text in (
        ("title", filled.title.strip()),
        ("told", filled.told.strip()),
        ("settings", "{}" if recipe is None else recipe.text()),
    ):
        seal(site.vault, study, column, text)
    with site.database.writing() as session:
        wait_for_turn(session)
        session.add(study)
        session.flush()  # the study first: its packs refer to it
        if pairs is not None:
            keep_packs(session, site.vault, study.id, *pairs)
        append(
            session,
            site.vault,
            "study.made",
            actor=member.audit_name,
            subject=study.id,
            own_answers=raters,
            pairs=0 if pairs is None else len(pairs[0]),
        )
    return study.id


def _sent(file: UploadFile | None) -> handing_in.File | None:
    """A file that was chosen: browsers send an empty one without a name for one that was not."""
    if file is None or not file.filename:
        return None
    return file.filename, file.file.read()
