"""Jobs, collection and site in the containers of compose.yaml (`make test-containers`)."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from aplantida.pipeline.config import CHECKOUT
from tests.containers.conftest import Compose

pytestmark = [pytest.mark.containers, pytest.mark.timeout(5400)]

# two species, eight photos each at an address that does not exist; one is CC BY-NC
COLLECTION = """
import pymongo
def image(species, number):
    licence = "CC BY-NC 4.0" if (species, number) == (1, 7) else "CC BY 4.0"
    url = f"http://photos.example/{species}/{number}.jpg"
    return {"url": url, "license": licence, "author": "A. Author", "country": "ES"}
names = ["Quercus ilex", "Cistus albidus"]
documents = [
    {"_id": f"{place:024x}", "scientificName": name, "images": [image(place, number) for number in range(8)]}
    for place, name in enumerate(names)
]
plants = pymongo.MongoClient("mongodb://mongo:27017")["aplantida_db"]["plants"]
plants.drop()
plants.insert_many(documents)
print(plants.count_documents({}))
"""
# what lies under APLANTIDA_ROOT, opened and hashed again
CHECK = """
import json
from aplantida.pipeline.artifact import open_artifact
from aplantida.pipeline.config import resolve
import pyarrow.parquet as pq
audit = open_artifact(resolve("runs/test/audit"), "dataset_audit")
records = open_artifact(resolve("runs/test/export"), "records")
assert audit.verify() == [] and records.verify() == []
print(json.dumps({
    "root": str(resolve(".")),
    "audited": audit.metrics["num_entries"],
    "audit_of_records": [item["digest"] for item in records.inputs["audit"]] == [audit.digest],
    "records": pq.read_table(records.file("records.parquet"), columns=["url"]).num_rows,
    "rejected": pq.read_table(records.file("rejections.parquet"), columns=["reason"])["reason"].to_pylist(),
}))
"""
BUNDLE = """
from pathlib import Path
folder = Path("/data/dist/models/made_here")
folder.mkdir(parents=True, exist_ok=True)
(folder / "index.html").write_text("<title>made here</title>")
(folder / "model.wasm").write_bytes(bytes(4))
"""


def _get(url: str) -> tuple[int, dict[str, str], bytes]:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, error.read()


def test_jobs_from_the_runner_read_the_collection_and_seal_under_the_root(compose: Compose) -> None:
    assert compose.python(COLLECTION).strip() == "2"
    audit = compose.submit(
        *("python", "-m", "jobs.audit_dataset", "--config", "configs/audit_dataset.yaml", "--output", "runs/test/audit")
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr
    export = compose.submit(
        *("python", "-m", "jobs.export_dataset", "--config", "configs/export_dataset.yaml"),
        *("--input", "audit=runs/test/audit", "--output", "runs/test/export"),
    )
    assert export.returncode == 0, export.stdout + export.stderr
    assert "succeeded" in export.stdout + export.stderr
    found = json.loads(compose.python(CHECK))
    assert found == {
        "root": "/data",
        "audited": 16,
        "audit_of_records": True,
        "records": 15,
        "rejected": ["license_refused"],
    }


def test_a_job_that_is_a_bad_request_fails_the_submission(compose: Compose) -> None:
    done = compose.submit(*("python", "-m", "jobs.split_dataset", "--config", "configs/split_dataset.yaml"))
    assert done.returncode != 0
    assert "failed with exit code 2" in done.stdout + done.stderr


def test_the_dashboard_wants_the_token(compose: Compose) -> None:
    assert _get(f"{compose.dashboard}/api/jobs/")[0] == 401
    token = compose("exec", "--no-TTY", "ray-head", "cat", "/run/aplantida/ray-token").stdout.strip()
    assert len(token) == 64
    request = urllib.request.Request(f"{compose.dashboard}/api/version", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.load(answer)["ray_version"].startswith("2.60")


def test_nobody_is_root_and_the_collection_has_no_way_out(compose: Compose) -> None:
    assert compose("exec", "--no-TTY", "ray-head", "id", "--user").stdout.strip() == "1000"
    assert compose("exec", "--no-TTY", "site", "id", "--user").stdout.strip() == "1000"
    refused = compose("exec", "--no-TTY", "ray-head", "touch", "/app/x")
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr
    route = compose("exec", "--no-TTY", "mongo", "cat", "/proc/net/route").stdout
    destinations = [line.split()[1] for line in route.splitlines()[1:]]
    assert destinations
    assert "00000000" not in destinations  # no default route


@pytest.fixture
def checkout_bundle() -> Iterator[Path]:
    """A bundle folder of the checkout, beside those that are there."""
    folder = CHECKOUT / "dist" / "models" / "of_the_container_test"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<title>of the checkout</title>", encoding="utf-8")
    yield folder
    shutil.rmtree(folder)


def test_the_site_serves_bundles_of_the_volume_and_of_the_checkout(compose: Compose, checkout_bundle: Path) -> None:
    compose.python(BUNDLE)
    status, _, page = _get(f"{compose.site}/made_here/")
    assert (status, page) == (200, b"<title>made here</title>")
    status, headers, _ = _get(f"{compose.site}/made_here/model.wasm")
    assert (status, headers["content-type"]) == (200, "application/wasm")
    for path in (f"{checkout_bundle.name}/", f"{checkout_bundle.name}", f"{checkout_bundle.name}/index.html"):
        status, headers, page = _get(f"{compose.site}/{path}")
        assert (status, page) == (200, b"<title>of the checkout</title>"), path
        assert headers["content-type"] == "text/html"
    for path in ("nothing/", "../../pyproject.toml", "%2e%2e/%2e%2e/pyproject.toml", "made_here/../../../runs/"):
        assert _get(f"{compose.site}/{path}")[0] in (400, 404), path


def test_the_gpu_is_reserved_unless_the_override_says_otherwise(compose: Compose) -> None:
    def devices(*files: str) -> Any:
        shown = compose("config", files=files)
        assert shown.returncode == 0, shown.stderr
        return yaml.safe_load(shown.stdout)["services"]["ray-head"]["deploy"]["resources"]["reservations"].get(
            "devices"
        )

    (device,) = devices("compose.yaml")
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert not devices("compose.yaml", "compose.cpu.yaml")
