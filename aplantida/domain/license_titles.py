"""What Creative Commons calls its licences in further languages: attribution, share alike, "international".

Words that limit are not listed on purpose: what is not understood is refused.
"""

from __future__ import annotations

ATTRIBUTION = """
    recoñecemento | aitortu | naamsvermelding | uznanie autorstwa | erkännande | kreditering | navngivelse | nimeä |
    uveďte původ | uveďte autora | atribuire | atıf | атрибуция | с указанием авторства | із зазначенням авторства |
    表示 | 署名 | 姓名標示 | 저작자표시
"""
SHARE_ALIKE = """
    partekatu berdin | gelijk delen | na tych samych warunkach | dela lika | del på samme vilkår | jaa samoin |
    zachovejte licenci | lisans devam | с сохранением условий | на тех же условиях | поширення на тих самих умовах |
    継承 | 相同方式共享 | 相同方式分享 | 동일조건변경허락 |
    partajare în condiții identice | distribuire în condiții identice
"""
INTERNATIONAL = """
    int | intl | universell | universel | universale | universeel |
    nazioartekoa | internationaal | internationell | internasjonal | międzynarodowe | mezinárodní |
    kansainvälinen | uluslararası | международная | всемирная | міжнародна | 国際 | 国际 | 國際 | 국제
"""
COMMONS = "クリエイティブ コモンズ | 知识共享 | 創用"
LICENSE = "licentie | licencja | lisens | lisenssi | licenc | lisans | лицензия | ліцензія"
