"""The names that Creative Commons gives its licences in languages beyond those of the grammar: BY and SA are read."""

from __future__ import annotations

import pytest

from aplantida.domain.license_reader import read_license
from aplantida.domain.licensing import LicensePolicy

# attribution, non-commercial, no derivatives, share alike, international: as the deeds of 4.0 have them
DEEDS = {
    "gl": ("Recoñecemento", "Non comercial", "Sen obra derivada", "Compartir igual", "Internacional"),
    "eu": ("Aitortu", "EzKomertziala", "LanEratorririkGabe", "PartekatuBerdin", "Nazioartekoa"),
    "nl": ("Naamsvermelding", "NietCommercieel", "GeenAfgeleideWerken", "GelijkDelen", "Internationaal"),
    "pl": ("Uznanie autorstwa", "Użycie niekomercyjne", "Bez utworów zależnych",
           "Na tych samych warunkach", "Międzynarodowe"),
    "sv": ("Erkännande", "IckeKommersiell", "IngaBearbetningar", "DelaLika", "Internationell"),
    "da": ("Kreditering", "IkkeKommerciel", "IngenBearbejdelse", "DelPåSammeVilkår", "International"),
    "no": ("Navngivelse", "IkkeKommersiell", "IngenBearbeidelse", "DelPåSammeVilkår", "Internasjonal"),
    "fi": ("Nimeä", "EiKaupallinen", "EiMuutoksia", "JaaSamoin", "Kansainvälinen"),
    "cs": ("Uveďte původ", "Neužívejte komerčně", "Nezpracovávejte", "Zachovejte licenci", "Mezinárodní"),
    "hu": ("Nevezd meg!", "Ne add el!", "Ne változtasd!", "Így add tovább!", "Nemzetközi"),
    "tr": ("Atıf", "GayriTicari", "Türetilemez", "LisansDevam", "Uluslararası"),
    "ru": ("Атрибуция", "Некоммерческая", "Без производных", "С сохранением условий", "Международная"),
    "uk": ("Із Зазначенням Авторства", "Некомерційна", "Без Похідних", "Поширення На Тих Самих Умовах", "Міжнародна"),
    "ja": ("表示", "非営利", "改変禁止", "継承", "国際"),
    "zh": ("署名", "非商业性使用", "禁止演绎", "相同方式共享", "国际"),
    "zh-tw": ("姓名標示", "非商業性", "禁止改作", "相同方式分享", "國際"),
    "ko": ("저작자표시", "비영리", "변경금지", "동일조건변경허락", "국제"),
    "ro": ("Atribuire", "Necomercial", "Fără derivate", "Partajare în condiții identice", "Internațional"),
}  # fmt: skip
JOINED_BY = ("-", " - ", " ", ", ", "–", "; ", "/", "\n")
BEFORE = ("", "CC ", "Creative Commons ", "Creative Commons - ", "(c) Ana Pérez, ")


@pytest.mark.parametrize("language", DEEDS)
@pytest.mark.parametrize("between", JOINED_BY)
def test_a_deeds_title_is_read_unless_it_limits(language: str, between: str) -> None:
    by, limited, whole, share_alike, everywhere = DEEDS[language]
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
    _by, limited, whole, _share_alike, _everywhere = DEEDS[language]
    for word in (limited, whole):
        for text in (f"CC BY 4.0 {word}", f"CC BY 4.0, {word}", f"CC BY 4.0 ({word})", f"{word} CC BY 4.0"):
            assert LicensePolicy().refusal(read_license(text).license_id) is not None, text
            assert LicensePolicy().refusal(read_license(text.upper()).license_id) is not None, text
            assert LicensePolicy().refusal(read_license(text.lower()).license_id) is not None, text
