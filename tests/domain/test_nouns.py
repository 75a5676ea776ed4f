from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from aplantida.domain.class_index import ClassIndex, PlantClass, class_index_digest
from aplantida.domain.preprocessing import Preprocessing
from aplantida.domain.record import image_id_of, shard_of
from aplantida.domain.region import Membership, regions_from_mapping
from aplantida.domain.seeds import derive_seed
from aplantida.domain.taxonomy import genus_of, normalize_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CARDAMINE CALIFORNICA ", "Cardamine californica"),
        ("Cardamine californica (Nutt.) Greene", "Cardamine californica"),
        ("cardamine  Californica", "Cardamine californica"),
        ("Quercus × hispanica Lam.", "Quercus × hispanica"),
        ("Quercus x hispanica", "Quercus × hispanica"),
        ("×Cuprocyparis leylandii", "× Cuprocyparis leylandii"),
        ("Quercus ilex subsp. ballota (Desf.) Samp.", "Quercus ilex subsp. ballota"),
        ("Quercus ilex ssp. ballota", "Quercus ilex subsp. ballota"),
        ("Rosa L.", None),
        ("Rosa", None),
        ("", None),
        ("123", None),
    ],
)
def test_names(text: str, name: str | None) -> None:
    assert normalize_name(text) == name
    if name:
        assert normalize_name(name) == name


def test_genus() -> None:
    assert genus_of("× Cuprocyparis leylandii") == "Cuprocyparis"
    assert genus_of("Rosa canina") == "Rosa"


def test_image_id_and_shard_are_hashes_of_content() -> None:
    image_id = image_id_of("d1", "http://x/1.jpg")
    assert image_id == hashlib.sha256(b"d1\nhttp://x/1.jpg").hexdigest()[:32]
    counts = [0] * 8
    for number in range(4000):
        counts[shard_of(image_id_of("d", str(number)), 8)] += 1
    assert min(counts) > 400


def test_regions() -> None:
    (spain,) = regions_from_mapping({"spain": ["es"]})
    assert spain.membership("ES", ["US"]) == Membership.BY_COUNTRY
    assert spain.membership("FR", ["ES"]) == Membership.NONE
    assert spain.membership(None, ["PT", "ES"]) == Membership.BY_DISTRIBUTION
    with pytest.raises(ValueError, match="SPAIN"):
        regions_from_mapping({"spain": ["Spain"]})


def test_class_index(tmp_path: Path) -> None:
    index = ClassIndex.of([PlantClass(class_id="b", regions=("spain",)), PlantClass(class_id="a")])
    index.save(tmp_path / "c.json")
    assert ClassIndex.load(tmp_path / "c.json") == index
    assert index.class_ids == ("a", "b")
    assert index.in_region("spain") == (1,)
    assert index.subset(["b"]).class_ids == ("b",)
    assert index.subset(["b"]).digest != index.digest
    assert class_index_digest(index.class_ids) == index.digest != class_index_digest(index.class_ids[::-1])
    with pytest.raises(ValueError, match="unique and sorted"):
        ClassIndex((PlantClass(class_id="b"), PlantClass(class_id="a")))


def test_preprocessing() -> None:
    preprocessing = Preprocessing(image_size=224)
    assert preprocessing.resize_size == 256
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
    with pytest.raises(ValueError, match="image_size"):
        Preprocessing(image_size=2)


def test_seeds_depend_on_names() -> None:
    assert derive_seed(1, "a", "b") == derive_seed(1, "a", "b")
    assert len({derive_seed(1, "ab"), derive_seed(1, "a", "b"), derive_seed(2, "ab")}) == 3
    assert 0 <= derive_seed(0) < 2**63
