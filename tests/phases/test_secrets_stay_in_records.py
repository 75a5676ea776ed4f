"""Secrets of addresses are in the records, to fetch by, and in no other file, line or message."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from aplantida.demo.cdn import serve_folder
from aplantida.domain.address_secrets import ALWAYS
from aplantida.phases.registry import load_phase
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.runner import execute
from tests.fixtures.collection import SPECIES, dirty_documents, fill, photo_name, spoil, write_photos
from tests.fixtures.faulty_server import FaultyServer, faulty_server

SECRET = "opensesame"
REDIRECTS = ("signed-loop/", "to-password", "to-no-host", "to-no-address")
QUERIES = (
    f"?token={SECRET}",
    f"?v=1&X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}",
    f"?sv=2&se={SECRET}&sig={SECRET}&w=1",
    f"?garden_key={SECRET}#top",
)
IN_RECORDS = ("records.parquet", "records.jsonl")


def signed(url: str, number: int) -> str:
    if "shared.jpg" in url or "169.254" in url:
        return f"{url}?token={SECRET}{number}"  # one photo, signed twice
    return url + QUERIES[number % len(QUERIES)]


@pytest.fixture
def redirecting() -> Iterator[FaultyServer]:
    with faulty_server() as running:
        yield running


@pytest.fixture
def cdn(tmp_path: Path) -> Iterator[str]:
    write_photos(tmp_path / "photos")
    spoil(tmp_path / "photos")
    with serve_folder(tmp_path / "photos") as base:
        yield base


def made(phase: str, **values: Any) -> Artifact:
    secrets = {"secret_parameters": {"always": [*ALWAYS, "garden_key"]}}
    readers = {} if phase == "fetch_images" else {"num_readers": 0}
    resources = {"num_actors": 0} if phase != "export_dataset" else {}
    given = {**secrets, "output": phase, "resources": {**readers, **resources}, **values}
    artifact = execute(load_phase(phase), values=given).artifact
    assert artifact is not None
    return artifact


def text_of(file: Path) -> str:
    return str(pq.read_table(file).to_pydict()) if file.suffix == ".parquet" else file.read_bytes().decode("latin-1")


def test_secrets_are_in_the_records_and_in_nothing_else(
    mongo_uri: str,
    db_name: str,
    cdn: str,
    redirecting: FaultyServer,
    root: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    documents, number = dirty_documents(cdn), 0
    for document in documents:
        for place, entry in enumerate(document.get("images", [])):
            number += 1
            url = entry if isinstance(entry, str) else entry.get("url")
            if url is not None:
                whole = signed(url, number)
                document["images"][place] = whole if isinstance(entry, str) else {**entry, "url": whole}
    documents[2]["images"] += [
        {"url": f"http://ana:{SECRET}@example.org/a.jpg", "license": "CC0"},
        {"url": f"http://ana:{SECRET}@exa\u2100mple.org/a.jpg", "license": "CC0"},  # no host name
        {"url": f"http://ana:{SECRET}/x@example.org/a.jpg", "license": "CC0"},  # no port
        *({"url": f"{redirecting.base}/{path}?token={SECRET}", "license": "CC0"} for path in REDIRECTS),
    ]
    fill(mongo_uri, db_name, documents)
    here = {
        "db_name": db_name,
        "allow_addresses": [cdn.removeprefix("http://"), redirecting.address],
        "min_images_per_species": 2,
    }
    audit = made("audit_dataset", **here)
    export = made("export_dataset", **here)
    shards = made(
        "fetch_images",
        inputs={"records": "export_dataset"},
        num_shards=2,
        allow_addresses=here["allow_addresses"],
        gates={"max_failed_fraction": 1.0},
    )

    records = pq.read_table(export.file("records.parquet"))
    assert all(SECRET in url for url in records["url"].to_pylist())
    assert SECRET in export.file("records.jsonl").read_text()
    assert shards.metrics["stored"] > 10
    health = pq.read_table(audit.file("url_health.parquet"))
    assert health["url"].null_count == 0
    assert f"{cdn}/{photo_name(SPECIES[1], 2)}" in {url.partition("?")[0] for url in health["url"].to_pylist()}
    assert len(health) == len(set(health["url"].to_pylist()))
    outcomes = dict(zip(health["url"].to_pylist(), health["detail"].to_pylist(), strict=True))
    assert all(outcomes[f"{redirecting.base}/{path}"] for path in REDIRECTS)
    folders = [root / phase for phase in ("audit_dataset", "export_dataset", "fetch_images")]
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    shown = [file for file in files if file.name not in IN_RECORDS]
    assert len(shown) > 10
    assert [file for file in shown if SECRET in text_of(file)] == []
    assert SECRET not in caplog.text + "".join(capfd.readouterr())
