"""One YAML that several phases read: what it says counts where a phase has the key, and is said once."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from aplantida.phases.registry import load_phase
from aplantida.pipeline.config import identity, load_config
from aplantida.pipeline.errors import BadRequest

READERS = ("audit_dataset", "export_dataset", "fetch_images", "check_licenses")
COLLECTION = """
db_name: mine
collection: plantas
mapping: {scientific_name: [[genero, epiteto]], images: [fotos], image_license: [$document.licencia]}
license_policy: {allow_share_alike: false}
opt_out: {hosts: [ñandú.example], authors: [Ana]}
allow_addresses: [127.0.0.1:8089]
http: {max_redirects: 1}
resources: {http: {user_agent: me@example.org}, concurrency_per_host: 3}
"""


@pytest.fixture
def collection(tmp_path: Path) -> str:
    path = tmp_path / "collection.yaml"
    path.write_text(COLLECTION)
    return str(path)


def config_of(phase: str, collection: str, **values: Any) -> Any:
    return load_config(load_phase(phase).config, [f"configs/{phase}.yaml"], {"collection": collection, **values})


def test_every_phase_takes_the_keys_it_has(collection: str) -> None:
    audit, export, fetch, licenses = (config_of(phase, collection) for phase in READERS)
    assert audit.mapping == export.mapping
    assert audit.mapping.scientific_name == (("genero", "epiteto"),)
    assert (audit.db_name, audit.collection, export.collection) == ("mine", "plantas", "plantas")
    assert audit.allow_addresses == export.allow_addresses == fetch.allow_addresses == ["127.0.0.1:8089"]
    assert export.opt_out.hosts == ["ñandú.example"]
    assert audit.http.opt_out_hosts == fetch.http.opt_out_hosts == ("ñandú.example",)
    assert (fetch.http.max_redirects, fetch.resources.concurrency_per_host) == (1, 3)
    assert fetch.resources.http.user_agent == audit.resources.http.user_agent == "me@example.org"
    assert (fetch.resources.http.total_timeout_seconds, audit.resources.http.total_timeout_seconds) == (120, 60)
    assert licenses.license_policy.allow_share_alike is export.license_policy.allow_share_alike is False
    assert (fetch.collection, licenses.collection) == ("", "")


def test_who_learns_has_it_among_its_gates_and_not_in_its_recipe(collection: str) -> None:
    for phase in ("split_dataset", "train_teacher", "compute_teacher_logits", "sweep_distillation", "distill_student"):
        config = config_of(phase, collection)
        assert (config.gates.opt_out.authors, config.gates.opt_out.hosts) == (["Ana"], ["ñandú.example"])
        assert config.gates.license_policy.allow_share_alike is False
        assert identity(config) == identity(load_config(load_phase(phase).config, [f"configs/{phase}.yaml"]))


def test_what_a_phase_says_itself_goes_before(collection: str) -> None:
    fetch = config_of("fetch_images", collection, allow_addresses=[], resources={"concurrency_per_host": 5})
    assert (fetch.allow_addresses, fetch.resources.concurrency_per_host) == ([], 5)
    assert fetch.resources.http.user_agent == "me@example.org"


@pytest.mark.parametrize("phase", READERS)
def test_what_the_file_says_is_identity_where_it_bears_on_the_result_and_its_name_is_not(
    phase: str, collection: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(COLLECTION.replace("me@example.org", "you@example.org"))
    assert identity(config_of(phase, collection)) == identity(config_of(phase, str(other)))
    other.write_text(COLLECTION.replace("8089", "8090").replace("allow_share_alike: false", "allow_share_alike: true"))
    assert identity(config_of(phase, collection)) != identity(config_of(phase, str(other)))


@pytest.mark.parametrize("phase", READERS)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("allow_adresses: []", r"collection\.yaml: allow_adresses = \[\]: no such key; did you mean allow_addresses"),
        ("date_order: year_first", r"collection\.yaml: date_order = 'year_first'"),
        ("mapping: {images: [a..b]}", r"collection\.yaml: mapping = .*images: 'a\.\.b': want a field name"),
        ("mapping: {images: [$doc.a]}", r"images: '\$doc\.a'"),
        ("mapping: {image_url: [$document]}", r"image_url: '\$document' is the whole document"),
        ("mapping: {family: [[a]]}", r"family: \['a'\]: want two paths or more"),
        ("http: 3", r"collection\.yaml: http = 3"),
        ("a: [", r"collection\.yaml: "),
    ],
)
def test_a_mistake_in_it_is_named_by_every_reader(phase: str, line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "collection.yaml"
    path.write_text(line)
    with pytest.raises(BadRequest, match=said):
        config_of(phase, str(path))


def test_a_file_that_is_not_there_and_a_name_that_is_no_file() -> None:
    with pytest.raises(BadRequest, match=r"no/such\.yaml: no such file"):
        config_of("fetch_images", "no/such.yaml")
    with pytest.raises(BadRequest, match=r"collection = .plants.: .*want a YAML file"):
        config_of("fetch_images", "plants")
    assert config_of("export_dataset", "plants").collection == "plants"


def test_whatever_is_written_into_it_is_read_or_refused_in_words(tmp_path: Path) -> None:
    draw, path, refused = random.Random(11), tmp_path / "collection.yaml", 0
    pieces = [
        b"\xff",
        b"\x00",
        b"2020-99-99",
        b"{",
        b"]",
        b": ",
        b"- ",
        b"&a *a",
        b"!!python/object:x",
        b"\t",
        b"1",
        b"#",
    ]
    for _ in range(300):
        data = bytearray(COLLECTION.encode())
        for _ in range(draw.randrange(1, 4)):
            at = draw.randrange(len(data))
            data[at : at + draw.randrange(3)] = draw.choice(pieces)
        path.write_bytes(bytes(data))
        try:
            config_of("export_dataset", str(path))
        except BadRequest as error:
            refused += str(path) in str(error)
    assert refused > 100
