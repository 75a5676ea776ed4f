from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from aplantida.data.entries import EntryBuilder
from aplantida.data.shards import shard_name
from aplantida.demo.cdn import serve_folder
from aplantida.domain.record import IMAGE_SCHEMA, RECORD_SCHEMA, REJECTION_SCHEMA, shard_of
from aplantida.phases._collection import MappingSection
from aplantida.phases.fetch_images import PHASE
from aplantida.pipeline.artifact import Artifact
from aplantida.pipeline.errors import BadRequest, GateFailed
from aplantida.pipeline.runner import execute
from tests.fixtures.collection import SPECIES, documents, image, photo_name, spoil, write_photos
from tests.fixtures.faulty_server import jpeg_bytes
from tests.fixtures.tiny_artifacts import seal

NUM_SHARDS = 4


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    write_photos(folder)
    return folder


@pytest.fixture
def cdn(photos: Path) -> Iterator[str]:
    with serve_folder(photos) as base:
        yield base


def control(base: str, path: str, method: str = "GET", value: Any = None) -> Any:
    data = json.dumps(value).encode() if value is not None else None
    with urllib.request.urlopen(urllib.request.Request(base + path, data, method=method), timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def requests(base: str) -> dict[str, int]:
    """Requests by path since the last call."""
    counts = control(base, "/__requests")
    control(base, "/__requests", "DELETE")
    return counts


def without_ray() -> dict[str, str]:
    """The environment of a job that starts a Ray of its own."""
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}


def records(output: str, docs: list[dict[str, Any]]) -> str:
    """A sealed records artifact of these documents' entries."""
    builder = EntryBuilder(MappingSection().to_mapping(), None)
    for doc in docs:
        builder.add(doc)
    table = builder.take().select(RECORD_SCHEMA.names).cast(RECORD_SCHEMA).sort_by("image_id")
    seal("records", output, lambda writer: writer.write_table("records.parquet", table))
    return output


def settings(base: str, source: str, output: str, **changes: Any) -> dict[str, Any]:
    return {
        "inputs": {"records": source},
        "output": output,
        "num_shards": NUM_SHARDS,
        "short_side_pixels": 64,
        "max_pixels": 1_000_000,
        "allow_addresses": [base.removeprefix("http://")],
        "resources": {"num_actors": 0, "http": {"backoff_seconds": 0.01, "max_attempts": 2}},
        **changes,
    }


def fetch(base: str, source: str, output: str, **changes: Any) -> Artifact:
    artifact = execute(PHASE, values=settings(base, source, output, **changes)).artifact
    assert artifact is not None
    return artifact


def test_photos_come_into_their_shards(cdn: str) -> None:
    shards = fetch(cdn, records("records", documents(cdn)), "images")
    assert shards.metrics["stored"] == 24
    seen: list[str] = []
    for number in range(NUM_SHARDS):
        table = pq.read_table(shards.file(shard_name(number)))
        assert table.schema == IMAGE_SCHEMA
        ids = table["image_id"].to_pylist()
        assert ids == sorted(ids)
        assert {shard_of(image_id, NUM_SHARDS) for image_id in ids} <= {number}
        for row in table.to_pylist():
            assert Image.open(io.BytesIO(row["image"])).size == (row["width"], row["height"]) == (85, 64)
            assert (row["original_width"], row["original_height"]) == (120, 90)
        seen += ids
    assert len(set(seen)) == 24
    assert pq.read_table(shards.file("failures.parquet")).schema == REJECTION_SCHEMA


def test_failures_and_duplicates_are_rows(cdn: str, photos: Path) -> None:
    expected = spoil(photos)
    shards = fetch(cdn, records("records", documents(cdn)), "images", gates={"max_failed_fraction": 0.5})
    assert shards.metrics["failures_by_reason"] == expected
    assert shards.metrics["stored"] == 24 - sum(expected.values())
    assert shards.metrics["in_shards"] == 20  # duplicates stay in their shards, and are left out of splits
    rows = {row["url"]: row for row in pq.read_table(shards.file("failures.parquet")).to_pylist()}
    assert rows[f"{cdn}/{photo_name(SPECIES[0], 0)}"]["reason"] == "missing"
    both = [f"{cdn}/{photo_name(SPECIES[1], 2)}", f"{cdn}/{photo_name(SPECIES[2], 1)}"]
    assert [rows[url]["detail"] for url in both] == ["the same picture is claimed by Papaver rhoeas; Quercus ilex"] * 2


@pytest.mark.usefixtures("ray")
def test_two_runs_with_other_resources_give_the_same_bytes(cdn: str) -> None:
    source = records("records", documents(cdn))
    one = fetch(cdn, source, "one")
    other = fetch(cdn, source, "other", resources={"num_actors": 2, "concurrency": 4, "concurrency_per_host": 2})
    assert one.files == other.files


def test_a_grown_collection_downloads_only_what_is_new(cdn: str, photos: Path) -> None:
    docs = documents(cdn)
    (photos / photo_name(SPECIES[2], 7)).unlink()
    first = fetch(cdn, records("before", docs), "first")
    write_photos(photos, 11)
    (photos / photo_name(SPECIES[2], 7)).unlink()
    for number in range(8, 11):
        docs[1]["images"].append(image(cdn, SPECIES[1], number))
    docs[0]["images"][0]["license"] = "CC0"  # a licence may change without the photo
    requests(cdn)
    second = fetch(cdn, records("after", docs), "second", reuse=["first"])
    assert requests(cdn) == {f"/{photo_name(SPECIES[1], number)}": 1 for number in range(8, 11)}
    fresh = fetch(cdn, "after", "fresh")
    assert second.files == fresh.files
    assert second.metrics["downloaded"] == 3
    kept = [name for name in second.units if first.units[name]["key"] == second.units[name]["key"]]
    assert all((first.path / name).stat().st_ino == (second.path / name).stat().st_ino for name in kept)


def test_a_recheck_replaces_what_changed_drops_what_is_gone_and_keeps_what_cannot_be_asked(
    cdn: str, photos: Path
) -> None:
    source = records("records", documents(cdn))
    first = fetch(cdn, source, "first")
    changed, gone, silent = (photo_name(SPECIES[place], 3) for place in range(3))
    (photos / changed).write_bytes(jpeg_bytes(99))
    os.utime(photos / changed, (2_000_000_000, 2_000_000_000))
    (photos / gone).unlink()
    control(cdn, "/__faults", "PUT", {f"/{silent}": {"status": 503}})
    requests(cdn)
    second = fetch(cdn, source, "second", reuse=["first"], recheck=True)
    control(cdn, "/__faults", "PUT", {})
    assert sum(requests(cdn).values()) == 24 + 1  # once each, and the silent one again
    assert second.metrics["failures_by_reason"] == {"missing": 1}
    before, after = (
        {
            row["url"].removeprefix(f"{cdn}/"): row["source_sha256"]
            for number in range(NUM_SHARDS)
            for row in pq.read_table(artifact.file(shard_name(number))).to_pylist()
        }
        for artifact in (first, second)
    )
    assert set(before) - set(after) == {gone}
    assert {name for name in after if after[name] != before[name]} == {changed}
    third = fetch(cdn, source, "third", reuse=["second"], recheck=True)
    assert third.digest == second.digest


def test_nothing_is_reused_that_another_recipe_made(cdn: str) -> None:
    source = records("records", documents(cdn))
    fetch(cdn, source, "first")
    requests(cdn)
    small = fetch(cdn, source, "small", reuse=["first"], short_side_pixels=48)
    assert sum(requests(cdn).values()) == 24
    assert pq.read_table(small.file(shard_name(0)))["height"].to_pylist()[0] == 48


def test_too_many_failures_stop_it_and_running_again_goes_on(cdn: str, root: Path) -> None:
    source = records("records", documents(cdn))
    faults = {f"/{photo_name(species, number)}": {"status": 503} for species in SPECIES for number in range(4)}
    control(cdn, "/__faults", "PUT", faults)
    with pytest.raises(GateFailed, match=r"http_error.*max_failed_fraction 0\.2"):
        fetch(cdn, source, "images")
    assert not (root / "images/artifact.json").exists()
    control(cdn, "/__faults", "PUT", {})
    resumed = fetch(cdn, source, "images")
    assert resumed.metrics["stored"] == 24
    assert resumed.files == fetch(cdn, source, "fresh").files


def test_what_failed_for_now_is_asked_for_once_more_at_the_end(cdn: str) -> None:
    source = records("records", documents(cdn))
    late, broken = photo_name(SPECIES[0], 1), photo_name(SPECIES[1], 2)
    faults = {f"/{late}": {"delay_seconds": 2.0, "times": 1}, f"/{broken}": {"status": 503, "times": 2}}
    control(cdn, "/__faults", "PUT", faults)
    requests(cdn)
    manners = {"num_actors": 0, "http": {"backoff_seconds": 0.01, "max_attempts": 2, "read_timeout_seconds": 1.0}}
    shards = fetch(cdn, source, "images", resources=manners)
    assert (shards.metrics["stored"], shards.metrics["downloaded"]) == (24, 24)
    counts = requests(cdn)
    assert (counts[f"/{late}"], counts[f"/{broken}"]) == (2, 3)
    assert sum(counts.values()) == 24 + 1 + 2
    assert shards.files == fetch(cdn, source, "fresh").files


def test_an_exception_of_one_photo_is_its_row(cdn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: bytes, **__: int) -> None:
        raise KeyError(45057)

    monkeypatch.setattr("aplantida.data.actors.store_photo", never)
    source = records("records", documents(cdn))
    shards = fetch(cdn, source, "images", gates={"max_failed_fraction": 1.0})
    rows = pq.read_table(shards.file("failures.parquet")).to_pylist()
    assert {(row["reason"], row["detail"]) for row in rows} == {("not_an_image", "KeyError: 45057")}
    assert len(rows) == 24


def test_secrets_of_addresses_are_not_shown(cdn: str, photos: Path, caplog: pytest.LogCaptureFixture) -> None:
    docs = documents(cdn)
    for doc in docs:
        for entry in doc["images"]:
            entry["url"] += "?token=opensesame&v=1"
    (photos / photo_name(SPECIES[0], 0)).unlink()
    shards = fetch(cdn, records("records", docs), "images")
    assert shards.metrics["stored"] == 23
    (row,) = pq.read_table(shards.file("failures.parquet")).to_pylist()
    assert row["url"] == f"{cdn}/{photo_name(SPECIES[0], 0)}?v=1"
    stored = pq.read_table(shards.file(shard_name(0)))["url"].to_pylist()
    assert all(url.endswith(".jpg?v=1") for url in stored)  # records alone keep them
    assert "24 addresses of 127.0.0.1 carry secrets" in caplog.text
    assert "opensesame" not in caplog.text


def test_a_fetch_beyond_its_budget_goes_on_with_a_larger_one_and_other_manners(cdn: str) -> None:
    source = records("records", documents(cdn))
    faults = {f"/{photo_name(SPECIES[0], number)}": {"status": 404} for number in range(8)}
    control(cdn, "/__faults", "PUT", faults)
    with pytest.raises(GateFailed, match=r"missing.*gates\.max_failed_fraction 0\.2"):
        fetch(cdn, source, "images")
    requests(cdn)
    manners = {"num_actors": 0, "http": {"user_agent": "somebody else", "max_attempts": 1}}
    passed = fetch(cdn, source, "images", gates={"max_failed_fraction": 0.5}, resources=manners)
    assert passed.metrics["failures_by_reason"] == {"missing": 8}
    assert sum(requests(cdn).values()) < 24  # shards that were whole are not asked for again
    assert passed.config["gates"]["max_failed_fraction"] == 0.5
    with pytest.raises(GateFailed, match=r"gates\.max_failed_fraction 0\.3"):  # sealed, and judged again
        fetch(cdn, source, "images", gates={"max_failed_fraction": 0.3})


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(cdn: str, root: Path) -> None:
    source = records("records", documents(cdn))
    whole = fetch(cdn, source, "whole")
    slow = {f"/{photo_name(species, n)}": {"delay_seconds": 0.5} for species in SPECIES for n in range(8)}
    control(cdn, "/__faults", "PUT", slow)
    config = root / "killed.yaml"
    config.write_text(
        json.dumps(settings(cdn, source, "killed", resources={"num_actors": 1, "concurrency_per_host": 1}))
    )
    job = subprocess.Popen([sys.executable, "-m", "jobs.fetch_images", "--config", str(config)], env=without_ray())
    ledger = root / "killed/_progress/ledger.jsonl"
    deadline = time.monotonic() + 300
    while not (ledger.exists() and ledger.read_text().count('"unit"') >= 2):
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.kill()
    job.wait()
    done = [json.loads(line)["unit"] for line in ledger.read_text().splitlines() if '"unit"' in line]
    assert len(done) < NUM_SHARDS
    control(cdn, "/__faults", "PUT", {})
    requests(cdn)
    resumed = fetch(cdn, source, "killed")
    assert resumed.files == whole.files
    ids = {image_id for name in done for image_id in pq.read_table(whole.file(name))["image_id"].to_pylist()}
    assert sum(requests(cdn).values()) == 24 - len(ids)


def test_an_address_that_is_not_allowed_is_never_asked(cdn: str) -> None:
    source = records("records", documents(cdn))
    requests(cdn)
    shards = fetch(cdn, source, "images", allow_addresses=[], gates={"max_failed_fraction": 1.0})
    assert shards.metrics["failures_by_reason"] == {"address_refused": 24}
    assert requests(cdn) == {}
    with pytest.raises(BadRequest, match="want host:port"):
        fetch(cdn, source, "other", allow_addresses=["127.0.0.1"])
