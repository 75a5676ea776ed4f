"""The names that Creative Commons gives its licences in languages beyond those of the grammar: BY and SA are read."""

from __future__ import annotations

import pytest

from aplantida.domain.license_reader import read_license
from aplantida.domain.licensing import LicensePolicy

# attribution, share alike, non-commercial, no derivatives, international: as the deeds of 4.0 have them
DEEDS = {
    "gl": ("Recoñecemento", "Compartir igual", "Non comercial", "Sen obra derivada", "Internacional"),
    "eu": ("Aitortu", "PartekatuBerdin", "EzKomertziala", "LanEratorririkGabe", "Nazioartekoa"),
    "nl": ("Naamsvermelding", "GelijkDelen", "NietCommercieel", "GeenAfgeleideWerken", "Internationaal"),
    "pl": (
        *("Uznanie autorstwa", "Na tych samych warunkach", "Użycie niekomercyjne", "Bez utworów zależnych"),
        "Międzynarodowe",
    ),
    "sv": ("Erkännande", "DelaLika", "IckeKommersiell", "IngaBearbetningar", "Internationell"),
    "da": ("Kreditering", "DelPåSammeVilkår", "IkkeKommerciel", "IngenBearbejdelse", "International"),
    "no": ("Navngivelse", "DelPåSammeVilkår", "IkkeKommersiell", "IngenBearbeidelse", "Internasjonal"),
    "fi": ("Nimeä", "JaaSamoin", "EiKaupallinen", "EiMuutoksia", "Kansainvälinen"),
    "cs": ("Uveďte původ", "Zachovejte licenci", "Neužívejte komerčně", "Nezpracovávejte", "Mezinárodní"),
    "hu": ("Nevezd meg!", "Így add tovább!", "Ne add el!", "Ne változtasd!", "Nemzetközi"),
    "tr": ("Atıf", "LisansDevam", "GayriTicari", "Türetilemez", "Uluslararası"),
    "ru": ("Атрибуция", "С сохранением условий", "Некоммерческая", "Без производных", "Международная"),
    "uk": (
        *("Із Зазначенням Авторства", "Поширення На Тих Самих Умовах", "Некомерційна", "Без Похідних"),
        "Міжнародна",
    ),
    "ja": ("表示", "継承", "非営利", "改変禁止", "国際"),
    "zh": ("署名", "相同方式共享", "非商业性使用", "禁止演绎", "国际"),
    "zh-tw": ("姓名標示", "相同方式分享", "非商業性", "禁止改作", "國際"),
    "ko": ("저작자표시", "동일조건변경허락", "비영리", "변경금지", "국제"),
}
JOINED_BY = ("-", " - ", " ", ", ", "–", "; ", "/", "\n")
BEFORE = ("", "CC ", "Creative Commons ", "Creative Commons - ", "(c) Ana Pérez, ")


@pytest.mark.parametrize("language", DEEDS)
@pytest.mark.parametrize("between", JOINED_BY)
def test_a_deeds_title_is_read_unless_it_limits(language: str, between: str) -> None:
    by, share_alike, limited, whole, everywhere = DEEDS[language]
    policy = LicensePolicy()
    for before in BEFORE:
        for version in (f" 4.0 {everywhere}", " 4.0", f" ({everywhere}) 4.0"):
            for limits in ((limited,), (whole,), (limited, whole), (limited, share_alike), (share_alike, limited)):
                title = before + between.join((by, *limits)) + version
                assert policy.refusal(read_license(title).license_id) is not None, title
                assert policy.refusal(read_license(f"CC BY 4.0 {title}").license_id) is not None, title
    for before in BEFORE[:3] if language != "hu" else ():  # its titles are sentences, and not read
        assert read_license(f"{before}{by} 4.0 {everywhere}").license_id == "CC-BY-4.0"
        assert read_license(f"{before}{by}-{share_alike} 4.0 {everywhere}").license_id == "CC-BY-SA-4.0"


@pytest.mark.parametrize("language", DEEDS)
def test_a_word_that_limits_is_refused_behind_a_licence_by_code(language: str) -> None:
    _by, _share_alike, limited, whole, _everywhere = DEEDS[language]
    for word in (limited, whole):
        for text in (f"CC BY 4.0 {word}", f"CC BY 4.0, {word}", f"CC BY 4.0 ({word})", f"{word} CC BY 4.0"):
            assert LicensePolicy().refusal(read_license(text).license_id) is not None, text
            assert LicensePolicy().refusal(read_license(text.upper()).license_id) is not None, text
            assert LicensePolicy().refusal(read_license(text.lower()).license_id) is not None, text
