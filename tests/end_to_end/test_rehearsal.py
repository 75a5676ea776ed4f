"""The rehearsal, small: every step of the plain pipeline at 2,000 photos, killed in the middle and taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from aplantida.data.duplicates import hashes_of, near_pairs
from aplantida.data.images import store_photo
from aplantida.demo.mongod import free_port
from aplantida.phases.registry import load_phase
from aplantida.pipeline.config import CHECKOUT, find_file, load_config
from aplantida.pipeline.graph import load_graph
from benchmarks.rehearsal.collection import URL_CHARACTERS, CollectionSize, documents
from benchmarks.rehearsal.drawing import draw_original
from benchmarks.rehearsal.overlays import Sizes, overlay, write_overlays
from benchmarks.rehearsal.report import BEGIN, END, write_page

ALLOWED = {
    "mongo_uri", "allow_addresses", "url_sample_fraction", "num_shards", "model.pretrained", "model.name",
    "data.image_size", "data.photo_fraction", "training.epochs", "training.warmup_epochs", "training.batch_size",
    "resources.num_readers", "resources.concurrency_per_host",
}  # fmt: skip
SIZES = Sizes(2_000, 500, 100, 64, 8093, 2, full=False)
GRAPH = load_graph(find_file("configs/pipeline.yaml"))


def keys_of(values: dict[str, object], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in values.items():
        found |= keys_of(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


def test_overlays_change_addresses_weights_networks_sizes_epochs_and_shares_alone(tmp_path: Path) -> None:
    write_overlays(tmp_path, GRAPH, SIZES)
    for node in GRAPH:
        file = tmp_path / "rehearsal" / f"{node.overlay or node.name}.yaml"
        assert keys_of(yaml.safe_load(file.read_text()) or {}) <= ALLOWED, node.name
        load_config(load_phase(node.phase).config, [*node.config, str(file)])


def test_a_full_rehearsal_changes_addresses_and_weights_alone() -> None:
    full = Sizes(900_000, 900_000, 900_000, 64, 8093, None, full=True)
    changed = {key for node in GRAPH for key in keys_of(overlay(node, full))}
    assert changed == {
        "mongo_uri",
        "allow_addresses",
        "num_shards",
        "model.pretrained",
        "resources.concurrency_per_host",
    }


def test_documents_are_wide_and_as_many_photos_as_asked() -> None:
    size = CollectionSize(num_species=50, num_photos=1_000, port=8093)
    made = list(documents(size))
    assert made == list(documents(size))
    urls = [image["url"] for document in made for image in document["images"]]
    assert {len(url) for url in urls} == {URL_CHARACTERS}
    assert len(set(urls)) == len(urls)
    accepted = [image for document in made for image in document["images"] if image["license"] != "CC BY-NC 4.0"]
    assert len(accepted) == 1_000
    assert len({document["scientificName"] for document in made}) == 50
    assert all(len(document["commonNames"]) == 8 for document in made)


def test_drawn_photos_are_no_near_duplicates_of_each_other() -> None:
    photos = [
        store_photo(draw_original(f"u{number}", 64), short_side_pixels=64, jpeg_quality=90, max_pixels=10**6)
        for number in range(3_000)
    ]
    assert len({photo.pixel_sha256 for photo in photos}) == len(photos)
    assert len(near_pairs(hashes_of(photo.perceptual_hash for photo in photos), 6)) == 0


def test_tables_replace_what_stands_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Page\n")
    write_page("one", path)
    write_page(r"two \1", path)
    assert path.read_text() == f"# Page\n\n{BEGIN}\ntwo \\1\n{END}\n"


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_every_step_of_a_small_rehearsal_ends_well_and_a_killed_one_goes_on(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "benchmarks.rehearsal", "--species", "200", "--photos", "2000", "--fetched", "500"]
    words += ["--links", "100", "--model-photos", "1000", "--port", str(free_port()), "--folder", str(tmp_path / "r")]
    environment = {**os.environ, "APLANTIDA_ROOT": str(tmp_path)}
    first = subprocess.Popen(words, env=environment, cwd=CHECKOUT)
    deadline = time.monotonic() + 1800
    while not (tmp_path / "r/full/split_dataset/artifact.json").is_file() and time.monotonic() < deadline:
        assert first.poll() is None
        time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = subprocess.run(words, env=environment, cwd=CHECKOUT, check=False)
    assert done.returncode == 0
    costs = json.loads((tmp_path / "r/costs.json").read_text())
    assert set(costs["nodes"]) == {node.name for node in GRAPH}
    assert all(cost["hours"] > 0 and cost["driver_mb"] > 0 for cost in costs["nodes"].values())
    assert "RTX 3090" in (tmp_path / "r/tables.md").read_text()
    again = subprocess.run(words, env=environment, cwd=CHECKOUT, check=False)
    assert again.returncode == 0
