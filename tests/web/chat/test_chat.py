"""What a column says is what its persona says; nobody sees another's; unsaved is nowhere."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from sqlalchemy import inspect, select

from personalign.model.generate import generate
from personalign.model.persona import PLAIN, Persona
from personalign.web.audit.tables import AuditEntry
from personalign.web.chat import asking
from personalign.web.chat.speakers import Speaker
from personalign.web.chat.tables import Conversation, Turn
from personalign.web.chat.talks import SECONDS, Choices, Round, Talk, Talks
from personalign.web.database.tables import METADATA
from personalign.web.personas.tables import Alignment, StoredPersona
from tests.model.loud import make_loud
from tests.server.live import until
from tests.web.conftest import LiveSite
from tests.web.personas.sittings import aligned, made_with
from tests.web.visiting import Person, words_of

TOKENS = 12
QUESTION = "What would you do with a free Saturday?"


@pytest.fixture(scope="module", autouse=True)
def quick(live: LiveSite) -> Iterator[None]:
    """Personas that cost little, where it does not matter which they are."""
    with made_with(live.site, "iti"):
        yield


@pytest.fixture(autouse=True)
def short_replies(live: LiveSite) -> Iterator[None]:
    """Replies of a few tokens."""
    usual, live.site.settings = live.site.settings, replace(live.site.settings, reply_tokens=TOKENS)
    yield
    live.site.settings = usual


@pytest.fixture(scope="module")
def ann(live: LiveSite, quick: None) -> tuple[Person, Alignment]:
    """Somebody with personas."""
    who = live.member()
    made = aligned(live, who)
    with live.site.database.reading() as session:
        return who, session.get_one(Alignment, made)


def ask(who: Person, pair: str, status: int = 200, **fields: Any) -> str:
    """Ask a question as the page's form does."""
    who.get("/chat/kept")
    return who.post("/chat/say", status, **({"question": QUESTION, "pair": pair} | fields))


def talks_of(live: LiveSite, who: Person) -> Talk:
    found = live.site.talks.newest(live.account_of(who).id)
    assert found is not None
    return found


def said(round_: Round) -> dict[str, str]:
    return {reply.speaker: reply.text for reply in round_.replies}


def plainly(persona: Persona, messages: Any = QUESTION) -> str:
    return generate(make_loud(), persona, messages, max_new_tokens=TOKENS)[0].strip()


def personas(live: LiveSite, row: Alignment) -> tuple[Persona, Persona]:
    load = live.site.shelf.load
    return load(row.persona_id or ""), load(row.mirrored_id or "")


def test_each_column_says_what_its_persona_says(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    mine, mirrored = personas(live, row)
    page = ask(who, row.id)
    heard = said(talks_of(live, who).rounds[0])
    assert heard == {
        "base": plainly(PLAIN),
        "mine": plainly(mine),
        "mirrored": plainly(mirrored),
    }
    assert mine.alpha == 0 or heard["mine"] != heard["base"]
    for label in ("The model as it is", "A model, not you", "Shifted the opposite way"):
        assert label in words_of(page)


def test_a_speaker_remembers_what_it_said_itself(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    mine, _ = personas(live, row)
    ask(who, row.id, view="mine")
    talk = talks_of(live, who)
    first = said(talk.rounds[0])
    ask(who, row.id, talk=talk.id, view="mine", question="Why?")
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": first["mine"]},
        {"role": "user", "content": "Why?"},
    ]
    assert said(talks_of(live, who).rounds[1]) == {"mine": plainly(mine, turns)}


def test_alpha_is_what_the_slider_says_and_0_is_the_model_as_it_is(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    mine, mirrored = personas(live, row)
    ask(who, row.id, alpha="0")
    heard = said(talks_of(live, who).rounds[0])
    assert heard["mine"] == heard["base"] == heard["mirrored"]
    far = 2 * mine.alpha if mine.alpha else 2.0
    page = ask(who, row.id, alpha=str(far))
    heard = said(talks_of(live, who).rounds[0])
    assert heard["mine"] == plainly(mine.with_alpha(far))
    times = 2 * mirrored.alpha if mine.alpha else far
    assert heard["mirrored"] == plainly(mirrored.with_alpha(times))
    assert f"chosen: {mine.alpha:.2f}" in page or mine.alpha == 0
    for wrong in (str(far + 1), "-1", "nan", "inf"):
        ask(who, row.id, 400, alpha=wrong)


def test_numbers_are_written_as_the_readers_language_writes_them(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    mine, _ = personas(live, row)
    for language, mark in (("de", ","), ("en", ".")):
        who.get("/account")
        who.post("/language", language=language, back="/chat")
        page = words_of(ask(who, row.id, view="mine", alpha="0"))
        assert f" 0{mark}00." in page and f"{2 * mine.alpha or 2:.2f}".replace(".", mark) in page


def test_a_mirror_image_that_no_strength_brought_nearer_is_said_to_stand_still(
    live: LiveSite, ann: tuple[Person, Alignment], monkeypatch: pytest.MonkeyPatch
) -> None:
    who, row = ann
    mine, mirrored = personas(live, row)
    still = {row.persona_id: mine.with_alpha(1.0), row.mirrored_id: mirrored.with_alpha(0.0)}
    assert "wherever the slider stands" not in words_of(who.get(f"/chat?pair={row.id}"))
    monkeypatch.setattr(live.site.shelf, "load", still.__getitem__)
    page = words_of(ask(who, row.id, alpha="2"))
    heard = said(talks_of(live, who).rounds[0])
    assert heard["mirrored"] == heard["base"] == plainly(PLAIN)
    assert page.count("wherever the slider stands") == page.count("Nothing is shifted") == 1
    assert "in the same proportion" not in page


def test_surprises_can_be_drawn_again(live: LiveSite, ann: tuple[Person, Alignment]) -> None:
    who, row = ann
    page = ask(who, row.id, view="base", surprise="true")
    (reply,) = talks_of(live, who).rounds[0].replies
    assert f"seed {reply.seed}" in words_of(page)
    drawn = asking.ask_all(
        live.site.service,
        [Speaker("base", PLAIN, "ann")],
        QUESTION,
        seed=reply.seed,
        longest=TOKENS,
    )
    assert [again.text for again in asyncio.run(drawn)] == [reply.text] != [plainly(PLAIN)]


def test_a_stream_says_the_same_and_ends_with_the_cleaned_round(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    ask(who, row.id)
    whole = said(talks_of(live, who).rounds[0])
    told = events(who, row.id)
    assert told[0][0] == "begin" and told[-1][0] == "end"
    for speaker, text in whole.items():
        words = [
            data["text"] for name, data in told if name == "words" and speaker == data["speaker"]
        ]
        assert "".join(words).strip() == text
    assert said(talks_of(live, who).rounds[0]) == whole
    assert f"/chat/talk/{told[-1][1]['talk']}" in str(who.http.get("/chat").url)


def events(who: Person, pair: str, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    who.get("/chat/kept")
    sent = {"form_token": who.token, "question": QUESTION, "pair": pair, "live": "true"} | fields
    answer = who.http.post("/chat/say", data=sent)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.text)
    return [(name, json.loads(data)) for name, data in found]


def test_a_question_to_a_forgotten_conversation_can_be_asked_afresh(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    asked = "Where did I leave <my> keys?"
    page = ask(who, row.id, 404, talk="A" * 22, question=asked, view="mine", alpha=0.0)
    assert "not here any more" in page and ">Where did I leave &lt;my&gt; keys?</textarea>" in page
    fields = dict(
        re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.split("</main>")[0])
    )
    assert "talk" not in fields
    who.post("/chat/say", question=asked, **fields)
    talk = talks_of(live, who)
    assert [one.question for one in talk.rounds] == [asked]
    assert talk.choices == Choices("mine", 0.0)


def test_who_leaves_takes_no_room(live: LiveSite, ann: tuple[Person, Alignment]) -> None:
    who, row = ann
    live.site.settings = replace(live.site.settings, reply_tokens=4000)
    who.get("/chat/kept")
    before = len(talks_of(live, who).rounds)
    sent = {"form_token": who.token, "question": QUESTION, "pair": row.id, "live": "true"}
    engine = live.site.service.engine
    for words in (0, 2):  # as soon as it begins, and in the midst of it
        with who.http.stream("POST", "/chat/say", data=sent) as answer:
            lines = (line for line in answer.iter_lines() if line.startswith("event"))
            for _ in range(1 + words):
                next(lines)
    until(lambda: engine.stats().running == engine.stats().queued == 0, "the replies' end")
    assert engine.stats().slots_held == 0
    with pytest.raises(httpx.ReadTimeout):
        who.http.post("/chat/say", data={**sent, "live": "false"}, timeout=0.3)
    until(lambda: engine.stats().running == engine.stats().queued == 0, "the replies' end")
    assert len(talks_of(live, who).rounds) == before


def test_what_is_stopped_is_kept_as_far_as_it_was_said(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    live.site.settings = replace(live.site.settings, reply_tokens=4000)
    who.get("/chat/kept")
    sent = {"form_token": who.token, "question": QUESTION, "pair": row.id, "live": "true"}
    told: list[tuple[str, dict[str, Any]]] = []
    with who.http.stream("POST", "/chat/say", data=sent) as answer:
        for line in answer.iter_lines():
            if line.startswith("event"):
                told.append((line[7:], {}))
            elif line.startswith("data"):
                told[-1][1].update(json.loads(line[6:]))
                if len(told) == 8:
                    asking = {"form_token": who.token, "asking": told[0][1]["asking"]}
                    ben = live.member()
                    ben.get("/chat/kept")
                    ben.post("/chat/stop", 404, asking=asking["asking"])
                    assert who.http.post("/chat/stop", data=asking).status_code == 204
    talk = talks_of(live, who)
    replies = talk.rounds[-1].replies
    for reply in replies:
        words = [d["text"] for name, d in told if name == "words" and d["speaker"] == reply.speaker]
        assert reply.stopped and reply.problem is None
        assert reply.text == "".join(words).strip()
    assert told[-1][0] == "end" and talk.id == told[-1][1]["talk"]
    marks = told[-1][1]["html"].count("You stopped it")
    assert marks == len(replies) == who.get(f"/chat/talk/{talk.id}").count("You stopped it")
    until(lambda: live.site.service.engine.stats().running == 0, "the replies' end")
    who.post("/chat/keep", talk=talk.id)
    live.site.talks.forget(live.account_of(who).id)
    assert who.get(f"/chat/kept/{talk.kept_id}").count("You stopped it") == marks
    assert talks_of(live, who).messages("mine", "So?")[:-1], "it knows what it had said"


def test_nobody_speaks_as_or_reads_another(live: LiveSite, ann: tuple[Person, Alignment]) -> None:
    who, row = ann
    ask(who, row.id)
    talk = talks_of(live, who)
    who.get(f"/chat/talk/{talk.id}")
    who.post("/chat/keep", talk=talk.id)
    ben = live.member()
    own = aligned(live, ben)
    assert QUESTION not in ben.get(f"/chat?pair={row.id}")
    ask(ben, row.id, 404)
    ask(ben, own, 404, talk=talk.id)
    for path in (f"/chat/talk/{talk.id}", f"/chat/kept/{talk.kept_id}", f"/align/{row.sitting_id}"):
        ben.get(path, 404)
    ben.get("/chat/kept")
    ben.post("/chat/keep", 404, talk=talk.id)
    ben.post(f"/chat/kept/{talk.kept_id}/delete", 404)
    ben.post(f"/personas/{row.persona_id}/delete", 404)
    ben.post(f"/align/{row.sitting_id}", 404)
    live.person().http.get(f"/chat/talk/{talk.id}").raise_for_status()  # to sign in
    with live.site.database.reading() as session:
        assert session.get(Conversation, talk.kept_id) and session.get(
            StoredPersona, row.persona_id
        )


def counted(live: LiveSite) -> dict[str, int]:
    with live.site.database.reading() as session:
        tables = METADATA.tables.values()
        return {table.name: len(session.execute(select(table)).all()) for table in tables}


def test_what_is_not_kept_is_not_in_the_database(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    before = counted(live)
    ask(who, row.id)
    events(who, row.id)
    assert counted(live) == before


def test_what_is_kept_is_sealed_taken_up_again_and_deleted(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    ask(who, row.id)
    talk = talks_of(live, who)
    who.get(f"/chat/talk/{talk.id}")
    assert "is kept" in words_of(who.post("/chat/keep", talk=talk.id))
    ask(who, row.id, talk=talk.id, question="And on Sunday?")
    wanted = [said(round_) for round_ in talks_of(live, who).rounds]
    with live.site.database.reading() as session:
        turns = session.scalars(select(Turn).where(Turn.conversation_id == talk.kept_id)).all()
        row_ = session.get_one(Conversation, talk.kept_id)
        kept = b"".join([turn.text for turn in turns] + [row_.title])
        assert len(turns) == 8 and b"Saturday" not in kept and b"Sunday" not in kept
        columns = {c.key for c in inspect(Turn).columns}
    assert columns == {"conversation_id", "place", "speaker", "alpha", "stopped", "text", "said_at"}
    live.site.talks.forget(live.account_of(who).id)
    assert QUESTION in who.get("/chat/kept")
    assert "And on Sunday?" in who.get(f"/chat/kept/{talk.kept_id}")
    assert [said(round_) for round_ in talks_of(live, who).rounds] == wanted
    who.post(f"/chat/kept/{talk.kept_id}/delete")
    who.get(f"/chat/kept/{talk.kept_id}", 404)
    with live.site.database.reading() as session:
        assert session.get(Conversation, talk.kept_id) is None
        left = select(Turn).where(Turn.conversation_id == talk.kept_id)
        assert session.scalars(left).all() == []
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == talk.kept_id))
        assert [e.action for e in entries] == ["conversation.kept", "conversation.deleted"]


def test_signing_out_and_time_forget_what_was_not_kept(
    live: LiveSite, ann: tuple[Person, Alignment]
) -> None:
    who, row = ann
    ask(who, row.id)
    account = live.account_of(who).id
    twin = live.person()
    twin.sign_in(who.phrase)
    twin.get("/")
    twin.post("/sign-out")
    assert live.site.talks.newest(account) is None
    now = [0.0]
    talks = Talks(clock=lambda: now[0])
    talks.put(Talk("ann", "pair", "loud", id="one"))
    now[0] = SECONDS
    assert talks.find("ann", "one") and not talks.find("ben", "one")
    now[0] = SECONDS + 1
    assert talks.find("ann", "one") is None and talks.newest("ann") is None


HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)>
[one](javascript:alert(3)) [two](data:text/html,x) ![three](data:image/png;base64,AAAA)
<a href="https://example.org" onclick="alert(4)">five</a> [six](https://example.org)

# Title
""" + "> " * 500 + "deep\n\n" + "<b>" * 2000  # fmt: skip


def tags_of(html: str) -> list[tuple[str, dict[str, str]]]:
    """Every tag with its attributes, as a browser reads them."""
    found: list[tuple[str, dict[str, str]]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, {name: value or "" for name, value in attrs}))

    Reader().feed(html)
    return found


def test_hostile_replies_are_harmless(
    live: LiveSite, ann: tuple[Person, Alignment], monkeypatch: pytest.MonkeyPatch
) -> None:
    who, row = ann

    async def hostile(*_args: Any, **_settings: Any) -> Any:
        for piece in HOSTILE.splitlines(keepends=True):
            yield piece

    monkeypatch.setattr(asking, "speak", hostile)
    page = ask(who, row.id, question="<script>alert(5)</script>")
    told = events(who, row.id)
    html = [page, *(data["html"] for name, data in told if name in ("reply", "end", "begin"))]
    for shown in html:
        for tag, has in tags_of(shown):
            assert not [name for name in has if name.startswith("on")]
            assert not re.search("javascript:|data:", has.get("href", "") + has.get("action", ""))
            assert tag != "script" or has["src"].startswith("/static/")
            assert tag != "img" or has["src"].startswith("/static/mark.svg")
            if "example.org" in has.get("href", ""):
                assert has["rel"] == "nofollow noopener noreferrer"
    assert page.count("<h1") == 1 and 'href="https://example.org"' in page


def test_a_full_engine_is_told_in_its_column(
    live: LiveSite, ann: tuple[Person, Alignment], monkeypatch: pytest.MonkeyPatch
) -> None:
    from personalign.errors import EngineFull, SteeringError

    who, row = ann
    submit = live.site.service.engine.submit
    problems = {1: EngineFull("full"), 2: SteeringError("not finite")}
    count = iter(range(3))

    def sometimes(request: Any) -> Any:
        problem = problems.get(next(count))
        if problem is not None:
            raise problem
        return submit(request)

    monkeypatch.setattr(live.site.service.engine, "submit", sometimes)
    page = words_of(ask(who, row.id))
    assert "no room for one more reply" in page and "Lower it and ask again" in page
    replies = talks_of(live, who).rounds[0].replies
    assert sorted(reply.problem or "" for reply in replies) == ["", "busy", "too_strong"]
    monkeypatch.setattr(live.site.service.renderer._short, "waiting", 2**40)
    ask(who, row.id)
    replies = talks_of(live, who).rounds[-1].replies
    assert [reply.problem for reply in replies] == ["busy"] * 3


def test_a_bug_is_told_in_its_column_and_logged_without_the_words(
    live: LiveSite,
    ann: tuple[Person, Alignment],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_persona: Persona, messages: Any) -> list[int]:
        raise ValueError(f"This cannot be rendered: {messages}")

    who, row = ann
    monkeypatch.setattr(live.site.services[row.model].renderer, "chat", broken)
    ask(who, row.id, view="mine")
    (reply,) = talks_of(live, who).rounds[0].replies
    assert reply.problem == "broken"
    assert "bug: ValueError" in caplog.text and "asking.py" in caplog.text
    assert QUESTION not in caplog.text


def test_a_deleted_persona_is_gone_and_the_conversation_says_so(live: LiveSite) -> None:
    who = live.member()
    with live.site.database.reading() as session:
        row = session.get_one(Alignment, aligned(live, who))
    ask(who, row.id)
    talk = talks_of(live, who)
    assert "loud" in who.get("/personas")
    who.post(f"/personas/{row.persona_id}/delete")
    assert "was deleted" in words_of(who.get(f"/chat/talk/{talk.id}"))
    assert "persona is gone" in words_of(ask(who, row.id, 404, talk=talk.id))
    with live.site.database.reading() as session:
        own = StoredPersona.account_id == live.account_of(who).id
        assert session.scalars(select(StoredPersona).where(own)).all() == []


def test_who_has_no_persona_is_sent_to_the_questionnaire(live: LiveSite) -> None:
    assert "/questionnaire" in live.member().get("/chat")
