"""A rater's votes: theirs alone, changeable until the end, counted once."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from personalign.evaluation.blind import QUESTION
from personalign.web.audit.log import details_of
from personalign.web.audit.tables import AuditEntry
from personalign.web.study.tables import Invitation, Rating
from personalign.web.texts import load_texts
from tests.web.conftest import LiveSite
from tests.web.study.conftest import (
    Held,
    begin,
    hand_in,
    lines_of,
    pair_on,
    place_on,
    some_pairs,
    vote_all,
)
from tests.web.visiting import words_of


@pytest.fixture
def link(study: Held) -> str:
    """A fresh link."""
    return study.invite(1)[0]


def votes_behind(live: LiveSite, link: str) -> dict[str, str]:
    """Pair's id -> vote, as kept for a link."""
    from personalign.web.accounts.sessions import hashed

    with live.site.database.reading() as session:
        rows = session.scalars(
            select(Rating)
            .join(Invitation, Invitation.id == Rating.invitation_id)
            .where(Invitation.token_hash == hashed(link.rpartition("/")[2]))
        )
        return {row.pair: row.vote for row in rows}


def test_the_question_is_the_papers() -> None:
    texts = load_texts()
    said = {
        name: texts.say("en", f"study.rate.question.{name}")
        for name in ("imagine", "which", "A", "B", "neither")
    }
    asked = f"{said['imagine']}\n\n{said['which']}\n\n"
    assert asked + "\n".join(f"{vote}: {said[vote]}" for vote in ("A", "B", "neither")) == QUESTION


def test_votes_given_are_the_votes_exported(live: LiveSite, study: Held, link: str) -> None:
    wanted = {
        pair.prompt: ("A", "B", "neither")[place % 3] for place, pair in enumerate(study.pairs)
    }
    page = vote_all(live.person(), link, wanted)
    assert "6 of 6 voted" in words_of(page)
    given = {pair.pair: wanted[pair.prompt] for pair in study.pairs}
    assert votes_behind(live, link) == given
    exported = lines_of(study.researcher, study, "votes.jsonl")
    by_rater: dict[str, dict[str, str]] = {}
    for vote in exported:
        assert list(vote) == ["rater", "pair", "vote"]
        by_rater.setdefault(vote["rater"], {})[vote["pair"]] = vote["vote"]
    assert given in by_rater.values()


def test_a_vote_sent_twice_counts_once_and_the_last_one_stands(live: LiveSite, link: str) -> None:
    rater = live.person()
    begin(rater, link)
    for vote in ("A", "A", "B"):
        rater.post(f"{link}/pairs/1", vote=vote)
    assert list(votes_behind(live, link).values()) == ["B"]
    assert 'value="B" data-key="b"' in (page := rater.get(f"{link}/pairs/1"))
    assert re.search(r'value="B"[^>]*aria-pressed="true"', page)


def test_any_other_vote_or_place_is_refused(live: LiveSite, link: str) -> None:
    rater = live.person()
    begin(rater, link)
    for vote in ("C", "", "a", "A\0", "neither ", "aligned"):
        rater.post(f"{link}/pairs/1", 400, vote=vote)
    for place in (0, -1, 7, 10**30):
        rater.post(f"{link}/pairs/{place}", 404, vote="A")
    rater.post(f"{link}/pairs/x", 400, vote="A")
    assert votes_behind(live, link) == {}


def test_a_rater_goes_on_where_they_stopped(live: LiveSite, link: str) -> None:
    rater = live.person()
    begin(rater, link)
    rater.post(f"{link}/pairs/1", vote="A")
    rater.post(f"{link}/pairs/3", vote="A")
    rater.http.cookies.delete("personalign")  # the browser was closed
    assert place_on(rater.get(link)) == 2
    assert place_on(rater.post(f"{link}/pairs/2", vote="B")) == 4


def test_votes_stand_once_the_rater_has_finished(live: LiveSite, study: Held, link: str) -> None:
    rater = live.person()
    begin(rater, link)
    rater.post(f"{link}/end")  # too early: nothing is finished
    rater.post(f"{link}/pairs/1", vote="A")
    for place in range(2, 7):
        rater.post(f"{link}/pairs/{place}", vote="A")
    assert "Thank you" in rater.post(f"{link}/end")
    before = votes_behind(live, link)
    rater.post(f"{link}/pairs/1", 409, vote="B")
    assert votes_behind(live, link) == before
    assert "finished" in words_of(rater.get(f"{link}/pairs/1"))


def test_a_link_belongs_to_the_browser_that_began_with_it(live: LiveSite, link: str) -> None:
    ann, ben = live.person(), live.person()
    begin(ann, link)
    ann.post(f"{link}/pairs/1", vote="A")
    for path in (link, f"{link}/pairs/1", f"{link}/end"):
        assert "in use" in words_of(ben.get(path, 403))
    ben.post(f"{link}/pairs/1", 403, vote="B")
    ben.post(f"{link}/begin", 403, agreed="yes")
    assert list(votes_behind(live, link).values()) == ["A"]


def test_the_rating_cookie_goes_to_its_own_link_alone(live: LiveSite, link: str) -> None:
    rater = live.person()
    rater.get(link)
    answer = rater.http.post(
        f"{link}/begin",
        data={"form_token": rater.token, "agreed": "yes"},
        follow_redirects=False,
    )
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "rating=" in one]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {f"path={link}".lower(), "httponly", "samesite=lax"} <= parts


def test_a_member_goes_on_in_another_browser_and_rates_once(
    live: LiveSite, study: Held, link: str
) -> None:
    ann = live.member()
    begin(ann, link)
    ann.post(f"{link}/pairs/1", vote="A")
    elsewhere = live.person()
    elsewhere.sign_in(ann.phrase)
    assert "voted" in words_of(elsewhere.get(f"{link}/pairs/1"))
    (second,) = study.invite(1)
    elsewhere.get(second)
    elsewhere.post(f"{second}/begin", 409, agreed="yes")


def test_nobody_votes_before_they_agreed(live: LiveSite, link: str) -> None:
    rater = live.person()
    assert "I have read this" in words_of(rater.get(link))
    rater.get(f"{link}/pairs/1", 404)
    rater.post(f"{link}/pairs/1", 404, vote="A")
    assert "I have read this" in words_of(rater.post(f"{link}/begin"))
    rater.get(f"{link}/end", 404)


def test_raters_see_no_votes_of_others_and_no_results(live: LiveSite) -> None:
    pairs, key = some_pairs(prompts=2, seed=21)
    study = hand_in(live, pairs, key)
    one, other = study.invite(2)
    ann, ben = live.person(), live.person()
    begin(ben, other)
    before = [ben.get(f"{other}/{end}") for end in ("pairs/1", "pairs/2", "end")]
    vote_all(ann, one, {pair.prompt: "B" for pair in pairs})
    assert before == [ben.get(f"{other}/{end}") for end in ("pairs/1", "pairs/2", "end")]
    for path in (study.path, "/studies"):
        assert ben.http.get(path).url.path == "/sign-in"
    ben.post(f"{study.path}/files/votes.csv", 401)


def test_a_revoked_link_and_a_made_up_one_lead_nowhere(live: LiveSite) -> None:
    study = hand_in(live, *some_pairs(prompts=2, seed=22))
    (link,) = study.invite(1)
    rater = live.person()
    begin(rater, link)
    rater.post(f"{link}/pairs/1", vote="A")
    page = study.researcher.get(study.path)
    revoke = re.search(r'action="([^"]*/revoke)"', page)
    assert revoke
    study.researcher.post(revoke[1])
    for path in (link, f"{link}/pairs/1", f"{link}/end", "/rate/" + "x" * 32, "/rate/%00"):
        rater.get(path, 404)
    rater.post(f"{link}/pairs/2", 404, vote="A")
    assert len(lines_of(study.researcher, study, "votes.jsonl")) == 1  # what was given stays


def test_a_closed_study_takes_no_votes(live: LiveSite) -> None:
    study = hand_in(live, *some_pairs(prompts=2, seed=23))
    link, fresh = study.invite(2)
    rater = live.person()
    begin(rater, link)
    study.close()
    assert "closed" in words_of(rater.get(link, 409))
    rater.post(f"{link}/pairs/1", 409, vote="A")
    live.person().get(fresh, 409)
    study.researcher.post(f"{study.path}/reopen")
    rater.post(f"{link}/pairs/1", vote="A")
    assert len(votes_behind(live, link)) == 1


def test_texts_are_shown_as_they_are_and_never_as_html(live: LiveSite) -> None:
    pairs, key = some_pairs(prompts=1, seed=24)
    evil = '<script>alert(1)</script> <img src=x onerror="x"> {{ 7 * 7 }}\n  & <b>bold</b>'
    study = hand_in(live, [replace(pairs[0], prompt=evil, A=evil, B=evil)], key)
    rater = live.person()
    page = begin(rater, study.invite(1)[0])
    assert "<script>alert" not in page and "<img src=x" not in page and "<b>bold" not in page
    for shown in pair_on(page):
        assert "&lt;script&gt;" in shown and "{{ 7 * 7 }}\n  &amp;" in shown


def test_the_audit_log_knows_that_somebody_rated_and_no_vote(live: LiveSite, study: Held) -> None:
    with live.site.database.reading() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.subject == study.id)).all()
        votes = session.scalar(select(func.count()).select_from(Rating))
    assert votes and {"study.made", "study.links", "rating.agreed"} <= {row.action for row in rows}
    agreed = [row for row in rows if row.action.startswith("rating.")]
    assert all(row.actor == "" and details_of(row)["number"] for row in agreed), "by number alone"
    assert not any('"A"' in row.details or "neither" in row.details for row in rows)
