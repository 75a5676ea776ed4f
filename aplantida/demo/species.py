"""The demo's invented species. Form tells them apart; colors, greens and places are shared on purpose."""

from __future__ import annotations

from dataclasses import dataclass

from aplantida.demo.flowers import FlowerForm
from aplantida.demo.sketch import Color

PALETTE: dict[str, Color] = {
    "white": (238, 236, 228),
    "yellow": (232, 202, 70),
    "pink": (222, 128, 168),
    "purple": (132, 92, 180),
    "red": (206, 82, 66),
}


@dataclass(frozen=True, slots=True)
class PlantSpecies:
    """An invented species.

    Attributes:
        scientific_name: binomial; the genus is its first word.
        family: invented family.
        english: common name.
        spanish: common name.
        leaf: one of leaves.SIMPLE_SHAPES or COMPOUND_SHAPES.
        arrangement: ``rosette``, ``alternate`` or ``opposite``.
        flower: form of the flower.
        inflorescence: ``single``, ``raceme``, ``spike``, ``umbel`` or ``head``.
        colors: keys of PALETTE, the usual one first.
        distribution: ISO codes of the countries where it lives.
    """

    scientific_name: str
    family: str
    english: str
    spanish: str
    leaf: str
    arrangement: str
    flower: FlowerForm
    inflorescence: str
    colors: tuple[str, ...]
    distribution: tuple[str, ...]

    @property
    def genus(self) -> str:
        """The first word of the name."""
        return self.scientific_name.split()[0]

    @property
    def slug(self) -> str:
        """The name as a folder, e.g. ``rotella_cordifolia``."""
        return self.scientific_name.lower().replace(" ", "_")


_WHEEL = FlowerForm("ring", "round", 5, 0.17)
_TRIAD = FlowerForm("ring", "pointed", 3, 0.13)
_CROSS = FlowerForm("ring", "notched", 4, 0.13)
_STAR = FlowerForm("ring", "narrow", 8, 0.14)
_DAISY = FlowerForm("daisy", petals=17, disc=0.34)
_BELL = FlowerForm("bell")
_FLORET = FlowerForm("floret")
_GLOBE = FlowerForm("globe")
_LIP = FlowerForm("lip")
_IBERIA, _EUROPE = ("ES", "PT"), ("ES", "FR", "IT", "DE")
_AMERICAS, _SOUTH, _WIDE = ("US", "MX", "BR"), ("ZA", "AU", "CL"), ("ES", "FR", "US", "ZA")

SPECIES: tuple[PlantSpecies, ...] = (
    PlantSpecies("Rotella cordifolia", "Rotellaceae", "heart-leaved wheelwort", "rodeta acorazonada",
                 "cordate", "rosette", _WHEEL, "single", ("white", "pink"), _IBERIA),
    PlantSpecies("Rotella lanceolata", "Rotellaceae", "lance-leaved wheelwort", "rodeta lanceolada",
                 "lanceolate", "opposite", _WHEEL, "single", ("yellow", "white"), _EUROPE),
    PlantSpecies("Rotella palmata", "Rotellaceae", "hand-leaved wheelwort", "rodeta palmeada",
                 "palmate", "rosette", _WHEEL, "single", ("pink", "purple"), _AMERICAS),
    PlantSpecies("Radiaria integra", "Radiariaceae", "plain rayflower", "margaza entera",
                 "obovate", "rosette", _DAISY, "single", ("white", "yellow"), _WIDE),
    PlantSpecies("Radiaria lobata", "Radiariaceae", "lobed rayflower", "margaza lobulada",
                 "pinnatifid", "rosette", _DAISY, "single", ("yellow", "white"), _IBERIA),
    PlantSpecies("Radiaria tenuis", "Radiariaceae", "thread rayflower", "margaza fina",
                 "linear", "alternate", _DAISY, "single", ("purple", "pink"), _SOUTH),
    PlantSpecies("Trigonella graminea", "Trigonellaceae", "grassy threepetal", "trébola de hierba",
                 "linear", "rosette", _TRIAD, "single", ("purple", "white"), _EUROPE),
    PlantSpecies("Trigonella sagittata", "Trigonellaceae", "arrow threepetal", "trébola de saeta",
                 "sagittate", "rosette", _TRIAD, "raceme", ("white", "red"), _AMERICAS),
    PlantSpecies("Cruciola serrata", "Cruciolaceae", "saw-leaved crosswort", "crucera serrada",
                 "serrate", "alternate", _CROSS, "raceme", ("yellow", "purple"), _IBERIA),
    PlantSpecies("Cruciola pinnata", "Cruciolaceae", "feathered crosswort", "crucera plumosa",
                 "pinnate", "rosette", _CROSS, "raceme", ("pink", "white"), _WIDE),
    PlantSpecies("Campanola ovata", "Campanolaceae", "broad hangbell", "campanola ancha",
                 "ovate", "alternate", _BELL, "raceme", ("purple", "red"), _EUROPE),
    PlantSpecies("Campanola linearis", "Campanolaceae", "narrow hangbell", "campanola estrecha",
                 "linear", "alternate", _BELL, "raceme", ("pink", "purple"), _SOUTH),
    PlantSpecies("Umbrosa pinnata", "Umbrosaceae", "feathered parasol", "sombrilla plumosa",
                 "pinnate", "rosette", _FLORET, "umbel", ("white", "yellow"), _IBERIA),
    PlantSpecies("Umbrosa orbicularis", "Umbrosaceae", "coin-leaved parasol", "sombrilla redonda",
                 "orbicular", "rosette", _FLORET, "umbel", ("yellow", "pink"), _AMERICAS),
    PlantSpecies("Spicata lanceolata", "Spicataceae", "lance-leaved candle", "velilla lanceolada",
                 "lanceolate", "opposite", _FLORET, "spike", ("red", "purple"), _WIDE),
    PlantSpecies("Spicata trifoliata", "Spicataceae", "three-leaved candle", "velilla trifoliada",
                 "trifoliate", "alternate", _FLORET, "spike", ("white", "red"), _EUROPE),
    PlantSpecies("Globaria linearis", "Globariaceae", "thread globehead", "bolina fina",
                 "linear", "rosette", _GLOBE, "head", ("purple", "pink"), _SOUTH),
    PlantSpecies("Globaria trifoliata", "Globariaceae", "clover globehead", "bolina trifoliada",
                 "trifoliate", "rosette", _GLOBE, "head", ("red", "white"), _IBERIA),
    PlantSpecies("Stellina orbicularis", "Stellinaceae", "coin-leaved starlet", "estrellina redonda",
                 "orbicular", "rosette", _STAR, "single", ("red", "yellow"), _AMERICAS),
    PlantSpecies("Labiola serrata", "Labiolaceae", "saw-leaved lipwort", "labiola serrada",
                 "serrate", "opposite", _LIP, "raceme", ("red", "pink"), _EUROPE),
)  # fmt: skip
