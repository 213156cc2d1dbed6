"""A researcher's study: handed in whole or not at all, counted as elsewhere, theirs alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import func, select

from personalign.bench.study import votes_json
from personalign.evaluation.blind import key_text, pack_text, read_key
from personalign.evaluation.human import count_votes, read_votes
from personalign.web.audit.tables import AuditEntry
from personalign.web.study.tables import Invitation, Pack, Rating, Study
from tests.web.conftest import LiveSite
from tests.web.study.conftest import (
    CONTRASTS,
    Held,
    begin,
    hand_in,
    id_on,
    lines_of,
    links_on,
    pair_on,
    send,
    some_pairs,
    vote_all,
)
from tests.web.visiting import words_of


@pytest.fixture(scope="module")
def voted(live: LiveSite) -> Held:
    """A study of two contrasts with the votes of three raters."""
    study = hand_in(live, *some_pairs(prompts=8, seed=31, contrasts=CONTRASTS))
    for number, link in enumerate(study.invite(3)):
        votes = {
            pair.prompt: ("A", "B", "neither")[(place * (number + 1)) % 3]
            for place, pair in enumerate(study.pairs)
        }
        vote_all(live.person(), link, votes)
    return study


def test_results_are_those_of_the_same_votes_counted_by_the_command(
    live: LiveSite, tmp_path: Path
) -> None:
    study = hand_in(live, *some_pairs(prompts=6, seed=30, contrasts=CONTRASTS))
    for link in study.invite(2):
        vote_all(live.person(), link, {pair.prompt: "A" for pair in study.pairs})
    study.close()
    for name in ("votes.csv", "votes.jsonl", "key.json", "pack.jsonl", "results.json"):
        (tmp_path / name).write_text(study.researcher.post(f"{study.path}/files/{name}"), "utf-8")
    votes = read_votes(tmp_path / "votes.csv")
    assert votes == read_votes(tmp_path / "votes.jsonl")
    key = read_key(tmp_path / "key.json")
    assert key == study.key
    counted = votes_json(count_votes(votes, key))
    assert json.loads((tmp_path / "results.json").read_text("utf-8")) == counted
    assert [c["wins"] + c["losses"] for c in counted] == [6, 6]
    assert (tmp_path / "pack.jsonl").read_text("utf-8") == pack_text(study.pairs)
    page = words_of(study.researcher.get(study.path))
    for one in counted:
        assert f"p = {one['sign_test_p']:.3g}" in page
    assert "Krippendorff" in page
    german = words_of(study.researcher.post("/language", language="de", back=study.path))
    assert [n[:-1] for n in re.findall(r"\d+%", page)] == re.findall(r"(\d+)\s%", german)
    assert not re.search(r"\d%", german)


def test_results_of_an_open_study_are_shown_only_to_who_asks_and_told(
    live: LiveSite, voted: Held
) -> None:
    researcher = voted.researcher
    plain = words_of(researcher.get(voted.path))
    assert "24" in plain and "sign test" not in plain
    peeked = words_of(researcher.get(f"{voted.path}?peek=yes"))
    assert "You are peeking" in peeked and "Exact sign test" in peeked
    with live.site.database.reading() as session:
        actions = session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject == voted.id)
        ).all()
    assert "study.peeked" in actions


def test_the_key_is_given_once_the_study_is_closed(live: LiveSite) -> None:
    study = hand_in(live, *some_pairs(prompts=2, seed=32))
    researcher = study.researcher
    researcher.get(study.path)
    for name in ("key.json", "results.json"):
        researcher.post(f"{study.path}/files/{name}", 409)
    study.close()
    assert json.loads(researcher.post(f"{study.path}/files/key.json"))["seed"] == study.key.seed
    page = researcher.post(f"{study.path}/reopen")
    assert "You took the key away" in words_of(page)


def test_what_belongs_to_another_researcher_is_not_there(live: LiveSite, voted: Held) -> None:
    other = live.member("researcher")
    person = live.member("rater", "moderator", "admin")
    for somebody in (other, person):
        somebody.get("/account/none", 404)  # for a form's token
        somebody.get(voted.path, 404)
        ends = (
            "links",
            "write",
            "close",
            "reopen",
            "delete",
            "files/votes.csv",
            "files/pack.jsonl",
        )
        for end in ends:
            somebody.post(f"{voted.path}/{end}", 404, many=1, sure="yes")
        invitation = _first(live, voted).id
        somebody.post(f"{voted.path}/links/{invitation}/revoke", 404)
    person.get("/studies", 404)
    person.get("/studies/new/pack", 404)
    assert voted.id not in other.get("/studies")
    with live.site.database.reading() as session:
        assert session.get_one(Study, voted.id).closed_at is None
    assert _first(live, voted).revoked_at is None


def test_another_studys_link_is_not_revoked_by_its_id(live: LiveSite, voted: Held) -> None:
    own = hand_in(live, *some_pairs(prompts=2, seed=33))
    own.researcher.get(own.path)
    own.researcher.post(f"{own.path}/links/{_first(live, voted).id}/revoke", 404)
    assert _first(live, voted).revoked_at is None


def test_links_are_shown_until_they_are_copied_and_come_as_a_file_from_that_page_alone(
    live: LiveSite, voted: Held
) -> None:
    links = voted.invite(2)
    shown = str(voted.researcher.last.url)
    tokens = [link.rpartition("/")[2] for link in links]
    assert links_on(voted.researcher.get(shown)) == links, "the same, and no more"
    text = voted.researcher.post(f"{voted.path}/links.txt", tokens=" ".join(tokens))
    assert [line.rpartition("/")[2] for line in text.splitlines()] == tokens
    numbers = re.findall(r'<td class="whole">(rater-\d+)', voted.researcher.get(shown))
    assert [line.partition(":")[0] for line in text.splitlines()] == numbers[-2:]
    voted.researcher.post(f"{voted.path}/links.txt", 400, tokens=tokens[0] + " made-up")
    done = re.search(r"/shown/[\w-]{22}/done", voted.researcher.get(shown))
    assert done
    for page in (voted.researcher.get(voted.path), voted.researcher.post(done[0])):
        assert not any(token in page for token in tokens)
    assert "Revoke the links" in voted.researcher.get(shown)
    for many in (0, -3, 201):
        voted.researcher.post(f"{voted.path}/links", 400, many=many)


def test_a_closed_study_offers_no_links_and_its_sentences_stand_apart(live: LiveSite) -> None:
    study = hand_in(live, *some_pairs(prompts=2, seed=38))
    study.close()
    page = study.researcher.get(study.path)
    assert 'name="many"' not in page
    assert not re.search(r"[.:]\w", re.sub(r"\d\.\d", "", words_of(page).partition("Results")[2]))
    study.researcher.post(f"{study.path}/links", 409, many=1)


def test_what_is_wrong_is_said_in_the_reader_s_language(live: LiveSite) -> None:
    person = live.person(language="de").sign_up()
    live.give(person, "researcher")
    page = send(person, "pack", {"packs": "not json\n", "key": "{}"}, 400, title="T")
    assert "Zeile 1 von p.jsonl ist kein JSON" in words_of(page)
    assert "no JSON" not in words_of(page)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"packs": '{"pair": "a", "prompt": "b", "A": "c"}\n'}, "Line 1 of p.jsonl"),
        ({"packs": "GOOD\nnot json\n"}, "Line 2 of p.jsonl"),
        ({"packs": "GOOD\nGOOD\n"}, "Line 2 of p.jsonl"),
        ({"packs": b"\xff\xfe\x00"}, "no UTF-8"),
        ({"packs": '{"pair": "\\ud800", "prompt": "b", "A": "c", "B": "d"}'}, "Line 1"),
        ({"packs": "[" * 100_000}, "Line 1"),
        ({"packs": ""}, "no pairs"),
        ({"packs": "GOOD\n"}, "entries"),
        ({"packs": "ALL", "key": "{}"}, "no key"),
        ({"packs": "ALL", "key": '{"entries": [{"pair": [1]}]}'}, "no key"),
        ({"packs": "ALL", "key": "[" * 100_000}, "no key"),
        ({"packs": "ALL", "key": "OTHER"}, "not in the key"),
    ],
)
def test_a_wrong_file_gets_a_sentence_and_nothing_is_lost_or_kept(
    live: LiveSite, voted: Held, files: dict[str, str | bytes], said: str
) -> None:
    pairs, key = some_pairs(prompts=3, seed=34)
    lines = pack_text(pairs)
    put = {
        "GOOD": lines.split("\n")[0],
        "ALL": lines,
        "OTHER": key_text(some_pairs(prompts=3, seed=35)[1]),
    }
    sent: dict[str, str | bytes] = {"key": key_text(key)}
    for name, text in files.items():
        for word, whole in put.items():
            text = text.replace(word, whole) if isinstance(text, str) else text
        sent[name] = text
    with live.site.database.reading() as session:
        before = session.scalar(select(func.count()).select_from(Study))
    page = send(voted.researcher, "pack", sent, 400, title="My <title>", told="Told & kept")
    assert said in words_of(page)
    assert 'value="My &lt;title&gt;"' in page and "Told &amp; kept</textarea>" in page
    with live.site.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Study)) == before


def test_ten_megabytes_get_a_page_and_close_nothing(live: LiveSite, voted: Held) -> None:
    page = send(voted.researcher, "pack", {"packs": b"x" * 10_000_000}, 413, title="Large")
    assert "larger than this site reads" in words_of(page)
    assert "Blind studies" in words_of(voted.researcher.get("/studies"))


def test_replies_are_paired_by_a_seed_of_their_own(live: LiveSite) -> None:
    researcher = live.member("researcher")
    rows = [
        {"person": "p", "prompt": str(n), "asked": f"Q{n}", "condition": c, "text": f"{c} {n}"}
        for n in range(4)
        for c in ("warm", "cold")
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    seeds = set()
    for _ in range(2):
        page = send(researcher, "replies", {"replies": text}, title="T", contrasts="warm:cold\n")
        study = Held(researcher, id_on(page), [], some_pairs()[1])
        study.close()
        key = json.loads(researcher.post(f"{study.path}/files/key.json"))
        seeds.add(key["seed"])
        shown = {pair["pair"]: pair for pair in lines_of(researcher, study, "pack.jsonl")}
        for entry in key["entries"]:
            assert shown[entry["pair"]]["A"] == f"{entry['A']} {entry['prompt']}"
    assert len(seeds) == 2
    bad = text + '{"person": "p"}\n'
    page = send(researcher, "replies", {"replies": bad}, 400, title="T", contrasts="warm:cold")
    assert "Line 9 of r.jsonl" in words_of(page)
    page = send(researcher, "replies", {"replies": text}, 400, title="T", contrasts="warm:hot")
    assert "hot" in words_of(page)


def test_a_deleted_study_is_gone_with_all_of_it(live: LiveSite) -> None:
    study = hand_in(live, *some_pairs(prompts=2, seed=36))
    (link,) = study.invite(1)
    rater = live.person()
    begin(rater, link)
    rater.post(f"{link}/pairs/1", vote="A")
    study.researcher.get(study.path)
    assert "Nothing was deleted" in study.researcher.post(f"{study.path}/delete")
    study.researcher.post(f"{study.path}/delete", sure="yes")
    study.researcher.get(study.path, 404)
    rater.get(link, 404)
    with live.site.database.reading() as session:
        for table in (Pack, Invitation):
            left = select(func.count()).select_from(table).where(table.study_id == study.id)
            assert session.scalar(left) == 0
        orphans = select(Rating).where(Rating.invitation_id.not_in(select(Invitation.id)))
        assert session.scalars(orphans).all() == []


def test_what_was_handed_in_does_not_stand_in_the_database_in_the_clear(
    live: LiveSite, voted: Held
) -> None:
    with live.site.database.reading() as session:
        pack = session.scalars(select(Pack).where(Pack.study_id == voted.id)).one()
        study = session.get_one(Study, voted.id)
        kept = b"".join((pack.pairs, pack.key, study.title, study.told, study.settings))
    assert b"What about" not in kept and b"ligned" not in kept


def _first(live: LiveSite, study: Held) -> Invitation:
    with live.site.database.reading() as session:
        return session.scalars(
            select(Invitation).where(Invitation.study_id == study.id).order_by(Invitation.number)
        ).first()  # type: ignore[return-value]


def test_html_in_titles_is_text(live: LiveSite) -> None:
    researcher = live.member("researcher")
    pairs, key = some_pairs(prompts=1, seed=37)
    files: dict[str, str | bytes] = {"packs": pack_text(pairs), "key": key_text(key)}
    page = send(researcher, "pack", files, title="<i>x</i>", told="<u>y</u>")
    assert "<i>x" not in page and "<i>x" not in researcher.get("/studies")
    study = Held(researcher, id_on(page), pairs, key)
    (link,) = study.invite(1)
    assert "<u>y" not in live.person().get(link)
    assert pair_on(begin(live.person(), link))
