"""The first mistake: a mapping that finds nothing. The audit fails, says what it sees, and proposes the file to use."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.phases._collection_file import CollectionFile
from aplantida.phases.audit_dataset import PHASE as AUDIT
from aplantida.phases.export_dataset import PHASE as EXPORT
from aplantida.pipeline.errors import GateFailed
from aplantida.pipeline.runner import execute
from tests.fixtures.collection import fill

HERE = {"num_readers": 0, "num_actors": 0}


def plants(count: int = 12) -> list[dict[str, Any]]:
    return [
        {
            "_id": number,
            "nombre": ["Quercus ilex", "Rosa canina"][number % 2],
            "fotos": [f"http://cdn.invalid:8089/{number}.jpg"],
            "licencia": 'CC BY 4.0\u2028# "x": [\x07',
            "autor": "Ana: Pérez #1",
            "pais": "España",
        }
        for number in range(count)
    ]


def test_nothing_to_go_on_with_fails_and_the_proposal_reads_the_collection(
    mongo_uri: str, db_name: str, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(mongo_uri, db_name, plants())
    values = {
        "db_name": db_name,
        "allow_addresses": ["cdn.invalid:8089"],
        "url_sample_fraction": 0.0,
        "resources": HERE,
    }
    with pytest.raises(GateFailed, match=r"can be used: .*document_no_name.*Fields seen: .*autor, fotos") as caught:
        execute(AUDIT, values={**values, "output": "audit"})
    assert "\n" not in str(caught.value)
    assert not (root / "audit/artifact.json").exists()
    assert "Verdict: fail.** Nothing can be used." in (root / "audit/summary.md").read_text()
    proposed = root / "audit/proposed_collection.yaml"
    text = proposed.read_text(encoding="utf-8")
    assert "  images: [fotos]" in text
    assert '  image_author: [$document.autor]  # "Ana: Pérez #1"' in text
    assert '#   pais (12): "España"' in text
    said = yaml.safe_load(text)
    CollectionFile.model_validate(said)
    assert set(said) == set(CollectionFile.model_fields)
    assert said["db_name"] == db_name
    assert said["mapping"]["image_observation_id"] == ["$document._id"]

    caplog.set_level(logging.WARNING)
    files, here = [str(proposed)], {"resources": {"num_readers": 0}}
    given = {"collection": files[0], "license_texts": {'CC BY 4.0 # "x": [': "CC-BY-4.0"}, "output": "records", **here}
    outcome = execute(EXPORT, files=["configs/export_dataset.yaml"], values=given)
    assert outcome.metrics["num_records"] == 12


def test_what_is_refused_for_its_address_says_the_key(mongo_uri: str, db_name: str) -> None:
    photo = {"url": "http://10.0.0.1:80/a.jpg", "license": "CC0"}
    documents = [{"_id": 1, "scientificName": "Rosa alba", "images": [photo]}]
    fill(mongo_uri, db_name, documents)
    with pytest.raises(GateFailed, match="allow_addresses accepts addresses that are not public, as host:port"):
        execute(EXPORT, values={"db_name": db_name, "output": "records", "resources": {"num_readers": 0}})
