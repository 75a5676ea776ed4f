from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from aplantida.demo.cdn import serve_folder
from aplantida.domain.reason_words import in_words
from aplantida.phases.audit_dataset import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.runner import execute
from tests.fixtures.collection import DIRTY_REASONS, SPECIES, dirty_documents, documents, fill, photo_name, write_photos
from tests.phases.test_fetch_images import requests


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_photos(folder)
    return folder


@pytest.fixture
def cdn(photos: Path) -> Iterator[str]:
    with serve_folder(photos) as base:
        yield base


def audit(cdn: str, db_name: str, output: str = "audit", **changes: Any) -> Artifact:
    values = {
        "output": output,
        "db_name": db_name,
        "default_license": "CC BY 4.0",
        "allow_addresses": [cdn.removeprefix("http://")],
        "num_url_buckets": 4,
        "resources": {"num_actors": 0, "num_readers": 0, "http": {"backoff_seconds": 0.01, "max_attempts": 2}},
        **changes,
    }
    artifact = execute(PHASE, values=values).artifact
    assert artifact is not None
    return artifact


def test_it_counts_what_is_wrong(mongo_uri: str, db_name: str, cdn: str, photos: Path) -> None:
    fill(mongo_uri, db_name, dirty_documents(cdn))
    (photos / photo_name(SPECIES[0], 1)).write_bytes(b"<html>sorry</html>")
    artifact = audit(cdn, db_name)
    report = json.loads(artifact.file("audit.json").read_text())
    assert (report["num_documents"], report["num_species"]) == (7, 5)
    assert report["refused_by_reason"] == DIRTY_REASONS
    assert report["entries_without"]["license_text"] == 2  # a bare string and a null
    assert report["documents_without"]["family"] == 2  # of those whose entries can be read
    # missing: bare.jpg, shared.jpg, 020.jpg of the first species, and the one photo of Rarissima
    assert report["links"]["by_reason"] == {"missing": 4, "not_an_image": 1}
    assert report["links"]["asked"] == 24 + 4
    assert report["verdict"] == "fail"
    species = {row["scientific_name"]: row for row in pq.read_table(artifact.file("species.parquet")).to_pylist()}
    assert species["Cistus albidus"] == {
        "scientific_name": "Cistus albidus",
        "num_documents": 2,
        "num_entries": 15,
        "num_acceptable": 9,
        "num_broken_links": 2,
    }
    text = artifact.file("summary.md").read_text()
    assert "**Verdict: fail.** 5 of 28 links" in text
    assert "| same_url_in_two_species | 2 |" in text
    page = artifact.file("audit.html").read_text(encoding="utf-8")
    assert "5 of 28 links asked for are broken" in page
    assert page.count("<svg") == 2
    assert "<td>127.0.0.1</td><td>missing</td><td>4</td>" in page
    for reason, count in (("missing", 4), ("same_url_in_two_species", 2)):
        words = in_words(reason)
        assert f"<td>{reason}</td><td>{words.en}</td><td>{words.es}</td><td>{count}</td>" in page


def test_refused_names_are_listed_by_number_of_documents(mongo_uri: str, db_name: str, cdn: str) -> None:
    odd = [
        {"_id": f"odd {n}", "scientificName": "Planta | sin identificar", "images": [f"{cdn}/odd.jpg"]}
        for n in range(3)
    ]
    fill(mongo_uri, db_name, [*documents(cdn), *odd, {"_id": "sp", "scientificName": "Rosa sp.", "images": []}])
    artifact = audit(cdn, db_name, url_sample_fraction=0.0)
    report = json.loads(artifact.file("audit.json").read_text())
    assert report["refused_names"] == {
        "'Planta | sin identificar': no species is named": 3,
        "'Rosa sp.': no species is named": 1,
    }
    assert report["refused_by_reason"] == {"document_name_refused": 4, "entry_of_refused_name": 3}
    assert report["num_species"] == 3
    assert "| 'Rosa sp.': no species is named | 1 |" in artifact.file("summary.md").read_text()
    assert "<td>3</td>" in artifact.file("audit.html").read_text(encoding="utf-8").partition("Names refused")[2]


@pytest.mark.usefixtures("ray")
def test_a_healthy_collection_passes_and_refused_addresses_are_never_asked(
    mongo_uri: str, db_name: str, cdn: str
) -> None:
    docs = documents(cdn)
    docs[0]["images"].append({"url": "http://127.0.0.1:1/x.jpg", "license": "CC0"})
    fill(mongo_uri, db_name, docs)
    artifact = audit(cdn, db_name)
    assert artifact.metrics["verdict"] == "pass"
    assert requests(cdn) == {f"/{photo_name(species, number)}": 1 for species in SPECIES for number in range(8)}
    assert audit(cdn, db_name, "again", resources={"num_actors": 2}).files == artifact.files


def test_licence_texts_that_were_not_understood_are_listed_by_count(mongo_uri: str, db_name: str, cdn: str) -> None:
    docs = documents(cdn)
    for number, text in enumerate(["CC BY 4.0, uso docente"] * 2 + ["CC BY 4.0 <b>NC</b>"]):
        docs[0]["images"][number]["license"] = text
    fill(mongo_uri, db_name, docs)
    artifact = audit(cdn, db_name, url_sample_fraction=0.0)
    assert json.loads(artifact.file("audit.json").read_text())["unreadable_licenses"] == {
        "num_entries": 3,
        "num_texts": 2,
        "texts": [
            {"text": "CC BY 4.0, uso docente", "problem": "'uso' is not understood", "num_entries": 2},
            {"text": "CC BY 4.0 <b>NC</b>", "problem": "'NC' is not understood", "num_entries": 1},
        ],
    }
    assert "| CC BY 4.0, uso docente: 'uso' is not understood | 2 |" in artifact.file("summary.md").read_text()
    page = artifact.file("audit.html").read_text(encoding="utf-8")
    assert "3 photos are not used because their licence text was not understood; it is one of 2 texts." in page
    assert "<td>CC BY 4.0 &lt;b&gt;NC&lt;/b&gt;</td><td>&#x27;NC&#x27; is not understood</td><td>1</td>" in page


def test_a_sample_asks_for_fewer_links(mongo_uri: str, db_name: str, cdn: str) -> None:
    fill(mongo_uri, db_name, documents(cdn))
    half = audit(cdn, db_name, "half", url_sample_fraction=0.5)
    assert 4 <= half.metrics["links"]["asked"] <= 20
    assert sum(requests(cdn).values()) == half.metrics["links"]["asked"]
    assert audit(cdn, db_name, "none", url_sample_fraction=0.0).metrics["links"]["asked"] == 0
    assert requests(cdn) == {}


def test_the_verdict_can_be_a_gate_and_buckets_are_not_asked_again(
    mongo_uri: str, db_name: str, cdn: str, photos: Path, root: Path
) -> None:
    fill(mongo_uri, db_name, documents(cdn))
    for number in range(4):
        (photos / photo_name(SPECIES[0], number)).unlink()
    with pytest.raises(GateFailed, match=r'16\.7% of the links are broken.*"missing": 4'):
        audit(cdn, db_name, gates={"fail_on_verdict": True})
    assert not (root / "audit/artifact.json").exists()
    requests(cdn)
    with pytest.raises(GateFailed):
        audit(cdn, db_name, gates={"fail_on_verdict": True})
    passed = audit(cdn, db_name, gates={"fail_on_verdict": True, "max_broken_fraction": 0.2})
    assert requests(cdn) == {}  # every bucket was done, whatever the bound
    assert passed.config["gates"]["max_broken_fraction"] == 0.2
    with pytest.raises(GateFailed, match=r"more than gates\.max_broken_fraction 5"):  # sealed, and judged again
        audit(cdn, db_name, gates={"fail_on_verdict": True})
