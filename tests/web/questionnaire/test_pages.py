"""Filling in: nothing is lost, sent twice, seen by another, or asked without need."""

from __future__ import annotations

from sqlalchemy import select

from personalign.inventory.items import ipip_neo_120
from personalign.inventory.keys import TRAITS
from personalign.inventory.translations import translation
from personalign.web.database.base import unseal
from personalign.web.questionnaire.sheets import person_of, read_sheet
from personalign.web.questionnaire.tables import Answer, Sitting
from tests.web.conftest import LiveSite
from tests.web.questionnaire.filling import (
    begin,
    consenting,
    fill,
    finished,
    items_on,
    place,
    plain,
    ticked_on,
    turn,
)
from tests.web.visiting import Person, words_of

FORM = [item.number for item in ipip_neo_120()]


def answers_of(live: LiveSite, sitting: str) -> dict[int, int | None]:
    with live.site.database.reading() as session:
        sheet = read_sheet(session, live.site.vault, session.get_one(Sitting, sitting))
    pairs = zip(sheet.inventory, sheet.answers, strict=True)
    return {item.number: answer for item, answer in pairs if answer is not None}


def send(person: Person, sitting: str, answers: dict[int, int], status: int = 200) -> None:
    answer = person.http.post(
        f"/questionnaire/{sitting}/answers",
        json={"answers": answers},
        headers={"x-form-token": person.token},
    )
    assert answer.status_code == status, answer.text


def test_a_whole_form_without_javascript(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    assert "every statement" in words_of(fill(person, sitting))
    person.post(f"/questionnaire/{sitting}/finish")
    assert place(person) == (f"/profile/{sitting}?said=finished", sitting)
    assert answers_of(live, sitting) == {number: plain(number) for number in FORM}


def test_it_goes_on_where_it_stopped_on_another_day_and_device(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    page = turn(person, person.get(f"/questionnaire/{sitting}"), plain)
    turn(person, page, plain, go="later")
    assert place(person)[0] == "/questionnaire?said=kept"
    other = live.person()
    other.sign_in(person.phrase)
    assert "10 of 120" in words_of(other.get("/questionnaire"))
    page = other.get(f"/questionnaire/{sitting}")
    assert items_on(page) == FORM[10:15]
    assert ticked_on(other.get(f"/questionnaire/{sitting}?page=2")) == {
        number: plain(number) for number in FORM[5:10]
    }


def test_back_shows_what_was_ticked_and_a_new_answer_stands(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    second = turn(person, person.get(f"/questionnaire/{sitting}"), plain)
    first = turn(person, second, lambda _: 4, go="back")
    assert ticked_on(first) == {number: plain(number) for number in FORM[:5]}
    turn(person, first, lambda _: 5)
    found = answers_of(live, sitting)
    assert found == {number: 5 if number in FORM[:5] else 4 for number in FORM[:10]}


def test_sent_twice_changes_nothing(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    page = person.get(f"/questionnaire/{sitting}")
    assert turn(person, page, plain) == turn(person, page, plain)
    with live.site.database.reading() as session:
        rows = session.scalars(select(Answer).where(Answer.sitting_id == sitting)).all()
    assert len(rows) == 5
    assert begin(person) != sitting, "one that has answers is not begun again"
    assert begin(person) == begin(person), "one that has none is"


def test_answers_are_kept_as_they_are_ticked(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    send(person, sitting, {FORM[0]: 2})
    send(person, sitting, {FORM[0]: 2, FORM[7]: 3})
    send(person, sitting, {FORM[0]: 1})
    assert answers_of(live, sitting) == {FORM[0]: 1, FORM[7]: 3}
    for wrong in ({301: 3}, {FORM[0]: 6}, {FORM[0]: -1}, {"x": 1}, {7: 3, 200: 1}):
        send(person, sitting, wrong, 400)  # type: ignore[arg-type]
    assert answers_of(live, sitting) == {FORM[0]: 1, FORM[7]: 3}
    person.token = "0" * 64
    send(person, sitting, {FORM[1]: 1}, 403)


def test_what_is_left_out_is_shown_and_can_still_be_answered(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    skipped = FORM[3], FORM[40]
    page = words_of(fill(person, sitting, lambda number: 0 if number in skipped else 3))
    assert "Without an answer: 2." in page and page.count("left out") == 2
    link = f"/questionnaire/{sitting}?page=9#item-{FORM[40]}"
    assert link in person.get(f"/questionnaire/{sitting}/end")
    assert ticked_on(person.get(link))[FORM[40]] == 0
    turn(person, person.get(link), lambda _: 3)
    assert "Without an answer: 1." in words_of(person.get(f"/questionnaire/{sitting}/end"))
    person.post(f"/questionnaire/{sitting}/finish")
    assert answers_of(live, sitting)[FORM[3]] == 0


def test_pages_turned_without_ticking_are_listed_and_too_few_do_not_finish(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    send(person, sitting, dict.fromkeys(FORM[:59], 3))
    send(person, sitting, {FORM[119]: 0})
    page = person.get(f"/questionnaire/{sitting}/end")
    assert "at least 60" in words_of(page) and "finish" not in page
    assert "59" in words_of(person.post(f"/questionnaire/{sitting}/finish", 409))
    send(person, sitting, {FORM[59]: 3})
    person.get(f"/questionnaire/{sitting}/end")
    person.post(f"/questionnaire/{sitting}/finish")
    assert place(person)[0].startswith("/profile/")


def test_a_finished_one_stays_as_it_is_and_retaking_makes_a_new_one(live: LiveSite) -> None:
    person = consenting(live)
    sitting = finished(person)
    before = answers_of(live, sitting)
    send(person, sitting, {FORM[0]: 5}, 409)
    person.post(f"/questionnaire/{sitting}?page=1", 409, **{f"item-{FORM[0]}": "5"})
    person.get(f"/questionnaire/{sitting}")
    assert place(person)[0] == f"/profile/{sitting}"
    again = begin(person)
    assert again != sitting and answers_of(live, again) == {}
    fill(person, again, lambda _: 5)
    assert answers_of(live, sitting) == before


def test_another_s_sitting_is_not_there_at_any_address(live: LiveSite) -> None:
    owner, other = consenting(live), consenting(live)
    for sitting in (begin(owner), finished(owner)):
        for path in ("", "?page=1", "/end", "/delete"):
            other.get(f"/questionnaire/{sitting}{path}", 404)
        other.get("/questionnaire")
        other.post(f"/questionnaire/{sitting}?page=1", 404, **{f"item-{FORM[0]}": "5"})
        for path in ("/finish", "/delete"):
            other.post(f"/questionnaire/{sitting}{path}", 404)
        send(other, sitting, {FORM[0]: 5}, 404)
        with live.site.database.reading() as session:
            assert session.get(Sitting, sitting) is not None
    assert sitting not in other.get("/questionnaire")


def test_deleting_one_deletes_its_answers(live: LiveSite) -> None:
    person = consenting(live)
    sitting = finished(person)
    person.get(f"/questionnaire/{sitting}/delete")
    person.post(f"/questionnaire/{sitting}/delete")
    with live.site.database.reading() as session:
        assert session.get(Sitting, sitting) is None
        assert not session.scalars(select(Answer).where(Answer.sitting_id == sitting)).all()
    person.get(f"/profile/{sitting}", 404)


def test_age_and_sex_are_sealed_and_may_be_left_out(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person)
    send(person, sitting, dict.fromkeys(FORM, 3))
    person.get(f"/questionnaire/{sitting}/end")
    for wrong in (
        {"age": "9"},
        {"age": "x"},
        {"age": "", "sex": "male"},
        {"age": "30", "sex": "?"},
    ):
        assert 'role="alert"' in person.post(f"/questionnaire/{sitting}/finish", 400, **wrong)
    person.post(f"/questionnaire/{sitting}/finish", age="47", sex="male")
    with live.site.database.reading() as session:
        row = session.get_one(Sitting, sitting)
        assert unseal(live.site.vault, row, "about") == b'{"age": 47, "sex": "male"}'
        assert b"47" not in row.about and b"male" not in row.about
    without = finished(person)
    with live.site.database.reading() as session:
        assert session.get_one(Sitting, without).about is None


def test_the_adaptive_form_asks_one_of_each_trait_and_ends_after_30(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person, "adaptive")
    traits = {item.number: item.trait for item in ipip_neo_120()}
    page, pages = person.get(f"/questionnaire/{sitting}"), []
    while 'id="items"' in page:
        pages.append(items_on(page))
        again = person.get(f"/questionnaire/{sitting}")
        assert again.partition("</main>")[0] == page.partition("</main>")[0], "the same is asked"
        page = turn(person, page, plain)
    assert len(pages) == 6
    assert all(sorted(traits[number] for number in asked) == sorted(TRAITS) for asked in pages)
    assert len({number for asked in pages for number in asked}) == 30
    again = items_on(person.get(f"/questionnaire/{sitting}?page=2"))
    assert again == pages[1]
    person.get(f"/questionnaire/{sitting}/end")
    person.post(f"/questionnaire/{sitting}/finish")
    with live.site.database.reading() as session:
        row = session.get_one(Sitting, sitting)
        asked = read_sheet(session, live.site.vault, row).asked
        assert asked == tuple(ipip_neo_120().columns([n for page in pages for n in page]))
        assert (person_of(session, live.site.vault, row).responses > 0).sum() == 30
        assert str(pages[0][0]).encode() not in row.put or len(row.put) > 100, "sealed"


def test_the_adaptive_form_takes_no_answer_to_what_it_did_not_ask(live: LiveSite) -> None:
    person = consenting(live)
    sitting = begin(person, "adaptive")
    asked = items_on(person.get(f"/questionnaire/{sitting}"))
    other = next(number for number in FORM if number not in asked)
    send(person, sitting, {other: 3}, 400)
    page = turn(person, person.get(f"/questionnaire/{sitting}"), lambda number: 0)
    assert "0 of 30" in words_of(page), "what is left out does not count"
    assert not set(items_on(page)) & set(asked)


def test_german_has_german_items_where_there_are_any_and_says_where_not(live: LiveSite) -> None:
    person = consenting(live, language="de")
    assert "auf Englisch" in words_of(person.get("/questionnaire"))
    page = person.get(f"/questionnaire/{begin(person)}")
    assert translation("de").statements[FORM[0]] in words_of(page)
    assert "Weder zutreffend noch unzutreffend" in words_of(page)
    assert "Worry about things" not in page
    long = person.get(f"/questionnaire/{begin(person, '300')}")
    assert '<span lang="en">Worry about things.</span>' in long and "Very Accurate" in long


def test_the_items_stay_in_the_language_they_were_begun_in(live: LiveSite) -> None:
    person = consenting(live, language="de")
    sitting = begin(person)
    person.post("/language", language="en", back=f"/questionnaire/{sitting}")
    page = person.get(f"/questionnaire/{sitting}")
    assert "Continue" in page and "Ich mache mir oft Sorgen." in page
