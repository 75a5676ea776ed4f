from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from aplantida.domain.record import RECORD_SCHEMA, REJECTION_SCHEMA
from aplantida.phases._collection import ReaderResources
from aplantida.phases.export_dataset import PHASE, ExportDatasetConfig
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, GateFailed, RecipeChanged
from aplantida.pipeline.runner import Outcome, execute
from benchmarks.memory import fill as fill_wide
from benchmarks.memory import of_collection, peaks_of
from tests.fixtures.collection import DIRTY_REASONS, dirty_documents, fill
from tests.fixtures.tiny_artifacts import seal

BASE = "http://127.0.0.1:8089"
SECRET = "gr33n-leaf"
TOO_FEW = "entry_of_species_with_too_few_images"


def values(db_name: str, output: str = "records", **changes: Any) -> dict[str, Any]:
    return {
        "output": output,
        "db_name": db_name,
        "default_license": "CC BY 4.0",
        "allow_addresses": ["127.0.0.1:8089"],
        "resources": {"num_readers": 0},
        **changes,
    }


def export(db_name: str, output: str = "records", **changes: Any) -> Artifact:
    artifact = execute(PHASE, values=values(db_name, output, **changes)).artifact
    assert artifact is not None
    return artifact


def test_every_entry_is_a_record_or_a_row_with_its_reason(mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    records = export(db_name)
    table, rejections = (pq.read_table(records.file(f"{name}.parquet")) for name in ("records", "rejections"))
    assert (table.schema, rejections.schema) == (RECORD_SCHEMA, REJECTION_SCHEMA)
    assert records.metrics["rejections_by_reason"] == DIRTY_REASONS
    assert table["image_id"].to_pylist() == sorted(table["image_id"].to_pylist())
    names = table["scientific_name"].to_pylist()
    assert {name: names.count(name) for name in set(names)} == {
        "Cistus albidus": 9,  # one of them from the document in capitals
        "Papaver rhoeas": 9,  # one of them a bare string
        "Quercus ilex": 8,
    }
    lines = records.file("records.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == table.to_pylist()
    assert {json.loads(line)["license_id"] for line in lines} <= {"CC-BY-4.0", "CC0-1.0"}


def test_strangers_are_kept_although_their_species_has_too_few(mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    few, kept = export(db_name), export(db_name, "kept", keep_strangers=True)
    more = kept.metrics["rejections_by_reason"]
    assert set(DIRTY_REASONS) - set(more) == {TOO_FEW}
    assert {reason: DIRTY_REASONS[reason] for reason in more} == more
    counts = [pq.read_metadata(artifact.file("records.parquet")).num_rows for artifact in (few, kept)]
    assert counts[1] - counts[0] == DIRTY_REASONS[TOO_FEW] > 0


@pytest.mark.usefixtures("ray")
def test_the_number_of_readers_changes_nothing(mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    one = export(db_name, "one")
    three = export(db_name, "three", resources={"num_readers": 3})
    assert one.files == three.files


def test_a_changed_collection_is_noticed(mongo_uri: str, db_name: str) -> None:
    documents = dirty_documents(BASE)
    fill(mongo_uri, db_name, documents)
    export(db_name)
    again: Outcome = execute(PHASE, values=values(db_name))
    assert again.status == "skipped"
    documents[2]["images"].append(f"{BASE}/new.jpg")
    fill(mongo_uri, db_name, documents)
    with pytest.raises(RecipeChanged, match=r"sources\.collection: \w+ -> \w+"):
        execute(PHASE, values=values(db_name))


def test_an_empty_collection_is_a_bad_request(mongo_uri: str, db_name: str) -> None:
    with pytest.raises(BadRequest, match=f"{db_name}.plants holds no documents"):
        export(db_name)


def test_nothing_acceptable_is_a_failed_gate(mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    with pytest.raises(GateFailed, match="address_refused"):
        export(db_name, allow_addresses=[])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"default_license": "free for friends"}, "default_license = 'free for friends'"),
        ({"license_texts": {"mía": "CC BY"}}, "license_texts: 'mía' is to mean 'CC BY': want a licence id"),
        ({"allow_addresses": ["127.0.0.1"]}, "want host:port"),
        ({"min_images_per_species": 0}, "min_images_per_species = 0"),
        ({"opt_out": {"hosts": ["http://a.org/"]}}, "opt_out: host 'http://a.org/': want a host name"),
        ({"synonyms": "no-such.csv"}, "synonyms: 'no-such.csv' is .* where no file is"),
        ({"mapping": {"image_urll": ["x"]}}, "mapping.image_urll"),
        ({"names": "as_written", "infraspecific": "species"}, "infraspecific = 'species': of names as_written"),
        ({"names": "latin"}, "names = 'latin'.*scientific"),
    ],
)
def test_values_that_cannot_be_meant(mongo_uri: str, db_name: str, changes: dict[str, Any], message: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    with pytest.raises(BadRequest, match=message):
        export(db_name, **changes)


def test_synonyms_are_one_species(root: Path, mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    (root / "names.csv").write_text("synonym,accepted\nQuercus ilex L.,CISTUS ALBIDUS\n", encoding="utf-8")
    records = export(db_name, synonyms="names.csv")
    assert records.metrics["num_species"] == 2
    assert records.metrics["records_by_synonym"] == {"Quercus ilex": 8}
    (root / "names.csv").write_text("synonym,accepted\nQuercus ilex,Quercus rotundifolia\n", encoding="utf-8")
    with pytest.raises(RecipeChanged, match="synonyms"):
        export(db_name, synonyms="names.csv")
    (root / "names.csv").write_text("synonym,accepted\nQuercus ilex,?\n", encoding="utf-8")
    with pytest.raises(BadRequest, match=r"names\.csv: line 2: 'Quercus ilex', '\?': want two plant names"):
        export(db_name, "third", synonyms="names.csv")


def names_in(*names: str) -> list[dict[str, Any]]:
    return [
        {"_id": place, "scientificName": name, "images": [{"url": f"{BASE}/{place}.jpg", "license": "CC0"}]}
        for place, name in enumerate(names)
    ]


def test_names_are_read_strictly_and_what_is_none_is_listed_with_what_was_read(mongo_uri: str, db_name: str) -> None:
    written = (
        "Isoëtes lacustris L.",
        "Isoetes lacustris L.",
        "ISOETES LACUSTRIS",
        "Quercus ilex ssp. ballota (Desf.) Samp.",
    )
    refused = ("Rosa cf canina", "Rosa sp", "Rosa sp", "Rosal silvestre", "Juncus effusus × inflexus")
    fill(mongo_uri, db_name, names_in(*written, *refused))
    records = export(db_name, min_images_per_species=1)
    assert pq.read_table(records.file("species.parquet")).to_pylist() == [
        {"scientific_name": "Isoetes lacustris", "num_records": 3, "authors": "L."},
        {"scientific_name": "Quercus ilex subsp. ballota", "num_records": 1, "authors": "(Desf.) Samp."},
    ]
    assert list(records.metrics["refused_names"].items()) == [
        ("'Rosa sp': no species is named", 2),
        ("'Juncus effusus × inflexus': a formula of hybrids", 1),
        ("'Rosa cf canina': qualified: cf.", 1),
        ("'Rosal silvestre': 'rosal' is an ordinary word", 1),
    ]
    assert records.metrics["rejections_by_reason"] == {"document_name_refused": 5, "entry_of_refused_name": 5}
    rejections = pq.read_table(records.file("rejections.parquet")).to_pylist()
    assert {row["detail"] for row in rejections} == set(records.metrics["refused_names"])
    folded = export(db_name, "folded", min_images_per_species=1, infraspecific="species")
    assert pq.read_table(folded.file("species.parquet"))["scientific_name"].to_pylist() == [
        "Isoetes lacustris",
        "Quercus ilex",
    ]


def test_names_as_written_are_classes_whatever_they_are(mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, names_in("sweet  pea", "Sweet Pea ", "Rosa sp", "lily of the valley", "123"))
    records = export(db_name, min_images_per_species=1, names="as_written")
    assert pq.read_table(records.file("species.parquet")).to_pylist() == [
        {"scientific_name": "Lily of the valley", "num_records": 1, "authors": None},
        {"scientific_name": "Rosa sp", "num_records": 1, "authors": None},
        {"scientific_name": "Sweet pea", "num_records": 2, "authors": None},
    ]
    assert records.metrics["refused_names"] == {"'123': no letter in it": 1}


def test_what_a_licence_text_means_can_be_said_and_what_is_not_understood_is_listed(
    mongo_uri: str, db_name: str
) -> None:
    documents = dirty_documents(BASE)
    odd = ("CC BY 4.0 NC", "CC BY 4.0, uso docente", "uso libre con cita", "uso libre  con CITA.", {"name": "cc-by"})
    for entry, text in zip(documents[0]["images"], odd, strict=False):
        entry["license"] = text
    fill(mongo_uri, db_name, documents)
    records = export(db_name)
    listed = {"num_entries": 4, "num_texts": 4}
    assert {name: records.metrics["unreadable_licenses"][name] for name in listed} == listed
    assert {row["text"]: row["problem"] for row in records.metrics["unreadable_licenses"]["texts"]} == {
        "CC BY 4.0 NC": "'NC' is not understood",
        "CC BY 4.0, uso docente": "'uso' is not understood",
        "uso libre con cita": "'uso' is not understood",
        "uso libre  con CITA.": "'uso' is not understood",
    }
    assert records.metrics["records_by_license"]["CC-BY"] == 1
    meant = export(db_name, "meant", license_texts={"Uso libre con cita": "CC-BY-3.0-ES"})
    assert meant.metrics["num_records"] == records.metrics["num_records"] + 2
    assert meant.metrics["records_by_license"]["CC-BY-3.0-ES"] == 2
    assert meant.metrics["unreadable_licenses"]["num_entries"] == 2
    with pytest.raises(RecipeChanged, match="license_texts"):
        export(db_name, license_texts={"Uso libre con cita": "CC-BY-3.0-ES"})
    details = pq.read_table(records.file("rejections.parquet"))["detail"].to_pylist()
    assert "unreadable licence: 'NC' is not understood ('CC BY 4.0 NC')" in details


def test_who_opted_out_is_a_row(mongo_uri: str, db_name: str) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    everyone = export(db_name).metrics["num_records"]
    records = export(db_name, "without", opt_out={"authors": ["Author 3"], "hosts": ["photos.example"]})
    rejected = pq.read_table(records.file("rejections.parquet")).to_pylist()
    assert sum(row["reason"] == "opted_out" for row in rejected) == everyone - records.metrics["num_records"] > 0


def test_credentials_in_a_config_are_refused_before_anything_is_written(root: Path, db_name: str) -> None:
    with pytest.raises(BadRequest, match="MONGO_URI") as caught:
        export(db_name, mongo_uri=f"mongodb://ana:{SECRET}@127.0.0.1:27017")
    assert SECRET not in str(caught.value)
    assert not (root / "records").exists()


def test_a_secret_uri_reaches_neither_artifact_nor_log_nor_error(
    root: Path, mongo_uri: str, db_name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fill(mongo_uri, db_name, dirty_documents(BASE))
    # an application name travels in the URI as a password would, and the server does not mind it
    monkeypatch.setenv("MONGO_URI", f"{mongo_uri}/?appName={SECRET}")
    export(db_name)
    written = [path for path in root.rglob("*") if path.is_file()]
    assert len(written) >= 5
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in caplog.text
    monkeypatch.setenv("MONGO_URI", f"mongodb://ana:{SECRET}@127.0.0.1:9/?serverSelectionTimeoutMS=200")
    monkeypatch.setattr("aplantida.data.mongo.SELECTION_TIMEOUT_MS", 300)
    with pytest.raises(BadRequest) as caught:
        export(db_name, "other")
    assert SECRET not in str(caught.value)


class NarrowResources(ReaderResources):
    """Less memory than a config may give."""

    memory_mb: int = 1


class NarrowConfig(ExportDatasetConfig):
    resources: NarrowResources = NarrowResources()


def test_too_little_memory_is_a_bad_request_that_names_the_key(mongo_uri: str, db_name: str, root: Path) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))
    with pytest.raises(BadRequest, match=r"resources\.memory_mb = 1: .* set resources\.memory_mb to 2 or more"):
        execute(replace(PHASE, config=NarrowConfig), values=values(db_name))
    assert not list((root / "records/_progress/scratch/runs").glob("*"))
    assert export(db_name).metrics["num_records"] == 26


@pytest.mark.slow
@pytest.mark.usefixtures("root")
def test_no_process_grows_with_the_number_of_readers(mongo_uri: str) -> None:
    fill_wide(mongo_uri, 100_000, wide=True)
    peaks = [
        peaks_of("export", of_collection(mongo_uri, f"records-{readers}", readers, memory_mb=128))
        for readers in (2, 8, 16)
    ]
    assert len({some.digest for some in peaks}) == 1
    assert max(some.driver_mb for some in peaks) < 1_000
    assert 0 < max(some.worker_mb for some in peaks) < 1_000


@pytest.mark.parametrize(("verdict", "passes"), [("pass", True), ("fail", False)])
def test_the_audits_verdict_can_be_a_gate(mongo_uri: str, db_name: str, verdict: str, passes: bool) -> None:
    fill(mongo_uri, db_name, dirty_documents(BASE))

    def write(writer: Any) -> None:
        writer.write_json("audit.json", {"verdict": verdict})

    seal("dataset_audit", "audit", write)
    changes = {"inputs": {"audit": "audit"}, "gates": {"audit_must_pass": True}}
    if passes:
        assert export(db_name, **changes).metrics["audit_verdict"] == "pass"
    else:
        with pytest.raises(GateFailed, match="verdict is 'fail'"):
            export(db_name, **changes)
    with pytest.raises(BadRequest, match="no audit is given"):
        export(db_name, "ungated", gates={"audit_must_pass": True})
