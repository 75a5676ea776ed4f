"""What the page says of each outcome, in both languages; several photos of a plant, and where it grows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.fixtures.pages import SECONDS, view
from tests.fixtures.ruled_bundle import RuledBundle
from tests.fixtures.web_host import WebHost

NEVER_EAT = {
    "en": "Never eat or use a plant because of this answer alone.",
    "es": "No comas ni uses nunca una planta fiándote solo de esta respuesta.",
}
SAID = {
    "en": {
        "not_a_plant": ("I see no plant here", "Try a photo with one plant in the middle"),
        "unknown": ("A plant I do not know", "It looks like none of the species I have learned."),
        "species": ("Likely", ""),
        "genus": ("Probably of the genus", ""),
        "family": ("Probably of the family", ""),
        "set": ("One of these", "none of them alone is"),
        "unsure": ("I am not sure", "None of these is likely enough to be named."),
    },
    "es": {
        "not_a_plant": ("Aquí no veo ninguna planta", "una sola planta en el centro"),
        "unknown": ("Una planta que no conozco", "No se parece a ninguna de las especies"),
        "species": ("Probablemente", ""),
        "genus": ("Probablemente del género", ""),
        "family": ("Probablemente de la familia", ""),
        "set": ("Una de estas", "ninguna por sí sola lo es"),
        "unsure": ("No estoy seguro", "Ninguna es bastante probable."),
    },
}


@pytest.fixture
def host(ruled: RuledBundle) -> Iterator[WebHost]:
    with WebHost(ruled.folder) as host:
        yield host


def give(page: Page, *photos: Path) -> None:
    """Give the photos and wait for their answer."""
    page.locator("#photo").evaluate("() => (document.documentElement.dataset.view = '')")
    page.set_input_files("#photo", [str(photo) for photo in photos])
    view(page, "result")


def names_in(page: Page, place: str) -> list[str]:
    return page.locator(f"{place} li i").all_inner_texts()


def in_language(page: Page, language: str) -> None:
    page.add_init_script(f"Object.defineProperty(navigator, 'language', {{ value: '{language}' }})")


@pytest.mark.parametrize("language", ["en", "es"])
def test_each_outcome_has_its_words_and_the_warning(
    ruled: RuledBundle, host: WebHost, page: Page, language: str
) -> None:
    in_language(page, language)
    page.goto(host.url)
    view(page, "ready")
    for outcome, (verdict, note) in SAID[language].items():
        photo = ruled.photo_of(outcome)
        wanted = ruled.answer((ruled.photos.index(photo),))
        give(page, photo)
        expect(page.locator("#answer")).to_have_attribute("data-decision", outcome)
        if wanted.set_size != 1:
            expect(page.locator("#verdict")).to_have_text(verdict)
            expect(page.locator("#note")).to_contain_text(note)
        expect(page.locator("#note")).to_contain_text(NEVER_EAT[language])
        expect(page.locator("#note")).to_be_visible()
        if wanted.taxon is None:
            expect(page.locator("#winner")).to_be_hidden()
        else:
            expect(page.locator("#winner")).to_have_text(wanted.taxon)
        stranger = outcome in ("not_a_plant", "unknown")
        assert len(names_in(page, "#bars")) == (0 if stranger else wanted.set_size or 5)
        expect(page.locator("#closest")).to_be_visible(visible=stranger)


def test_one_likely_species_alone_is_no_few(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    photo = next(path for at, path in enumerate(ruled.photos) if ruled.answer((at,)).set_size == 1)
    page.goto(host.url)
    view(page, "ready")
    give(page, photo)
    expect(page.locator("#verdict")).to_have_text("Perhaps this one")
    assert len(names_in(page, "#bars")) == 1


def test_what_comes_closest_to_a_stranger_is_shown_to_who_asks(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    page.goto(host.url)
    view(page, "ready")
    give(page, ruled.photo_of("unknown"))
    expect(page.locator("#closest-bars")).to_be_hidden()
    expect(page.locator("#credits")).to_be_hidden()  # it names species, too
    page.locator("#closest summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#closest-bars")).to_be_visible()
    assert len(names_in(page, "#closest-bars")) == 5
    expect(page.locator("#credits")).to_be_visible()
    give(page, ruled.photo_of("not_a_plant"))
    expect(page.locator("#closest-bars")).to_be_hidden()
    give(page, ruled.photo_of("species"))
    expect(page.locator("#closest")).to_be_hidden()
    expect(page.locator("#credits")).to_be_visible()


def test_the_words_follow_the_language(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    page.goto(host.url)
    view(page, "ready")
    give(page, ruled.photo_of("genus"))
    expect(page.locator("#verdict")).to_have_text("Probably of the genus")
    page.locator("#language").click()
    expect(page.locator("#verdict")).to_have_text("Probablemente del género")
    expect(page.locator("#note")).to_contain_text(NEVER_EAT["es"])
    expect(page.locator("nav a").last).to_have_text("Software de otros")


def test_several_photos_of_one_plant_give_one_answer(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    page.goto(host.url)
    view(page, "ready")
    numbers = next(
        (at, at + 1, at + 2)
        for at in range(len(ruled.photos))
        if ruled.answer((at, at + 1, at + 2)).taxon not in {ruled.answer((one,)).taxon for one in range(at, at + 3)}
    )
    give(page, *[ruled.photos[number] for number in numbers])
    expect(page.locator("#winner")).to_have_text(ruled.answer(numbers).taxon or "")
    expect(page.locator("#together")).to_have_text("From 3 photos of one plant")
    expect(page.locator("#others img")).to_have_count(2)
    give(page, ruled.photo_of("species"))
    expect(page.locator("#together")).to_be_hidden()
    expect(page.locator("#others img")).to_have_count(0)


def test_several_photos_can_be_dropped(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    page.goto(host.url)
    view(page, "ready")
    script = """(photos) => {
      const given = new DataTransfer();
      given.items.add(new File(["notes"], "notes.txt", { type: "text/plain" }));
      given.items.add(new File(["more notes"], "NOTES"));
      for (const text of photos) {
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        given.items.add(new File([bytes], "photo.png", { type: "image/png" }));
      }
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true }));
    }"""
    page.evaluate(script, [base64.b64encode(path.read_bytes()).decode() for path in ruled.photos[:2]])
    view(page, "result")
    expect(page.locator("#together")).to_have_text("From 2 photos of one plant")
    expect(page.locator("#answer")).to_have_attribute("data-decision", ruled.answer((0, 1)).decision)


def test_a_photo_of_no_stated_type_is_taken_where_no_other_is_given(
    ruled: RuledBundle, host: WebHost, page: Page, tmp_path: Path
) -> None:
    bare = tmp_path / "photo"
    bare.write_bytes(ruled.photos[0].read_bytes())
    page.goto(host.url)
    view(page, "ready")
    give(page, bare)
    expect(page.locator("#answer")).to_have_attribute("data-decision", ruled.answer((0,)).decision)


def test_where_it_grows_counts_and_is_remembered(ruled: RuledBundle, host: WebHost, page: Page) -> None:
    number = next(
        at
        for at in range(len(ruled.photos))
        if (there := ruled.answer((at,), "ES")).taxon and there != ruled.answer((at,)) and there.decision == "species"
    )
    page.goto(host.url)
    view(page, "ready")
    choice = page.get_by_label("Where does it grow?")
    expect(choice).to_have_value("")  # nowhere, unless a visitor says so
    assert choice.locator("option").all_inner_texts() == ["I do not say", "France", "Spain", "Costa"]
    give(page, ruled.photos[number])
    expect(page.locator("#answer")).to_have_attribute("data-decision", ruled.answer((number,)).decision)
    choice.focus()
    choice.select_option("ES")
    expect(page.locator("#answer")).to_have_attribute("data-decision", "species", timeout=SECONDS)
    expect(page.locator("#winner")).to_have_text(ruled.answer((number,), "ES").taxon or "")
    expect(choice).to_be_focused()
    page.locator("#language").click()
    page.reload()
    view(page, "ready")
    choice = page.get_by_label("¿Dónde crece?")
    expect(choice).to_have_value("ES")
    assert choice.locator("option").all_inner_texts() == ["No lo digo", "España", "Francia", "Costa"]
    give(page, ruled.photos[number])
    expect(page.locator("#winner")).to_have_text(ruled.answer((number,), "ES").taxon or "")


def test_a_model_that_knows_no_places_asks_for_none(bundle: Path, page: Page) -> None:
    with WebHost(bundle) as host:
        page.goto(host.url)
        view(page, "ready")
        expect(page.locator("#place")).to_be_hidden()


def test_whose_software_it_is_can_be_read(host: WebHost, page: Page) -> None:
    page.goto(host.url)
    view(page, "ready")
    page.get_by_role("link", name="Software by others").click()
    expect(page).to_have_url(host.url + "THIRD_PARTY.html")
    expect(page.locator("body")).to_contain_text("@tensorflow/tfjs-core")
