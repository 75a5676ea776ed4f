from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
import ray as ray_module

from aplantida.data.actors import PhotoFetcher, PhotoSettings, slices
from aplantida.data.addresses import AddressGuard
from aplantida.data.entries import ENTRY_SCHEMA
from aplantida.data.entry_checks import check_each
from aplantida.data.fetching import FetchSettings
from aplantida.distributed.mapping import map_tables, map_with_actors
from aplantida.distributed.session import (
    MAX_OBJECT_STORE_BYTES,
    MIN_OBJECT_STORE_BYTES,
    cluster_cpus,
    object_store_size,
    ray_session,
)
from aplantida.domain.licensing import LicensePolicy
from aplantida.domain.opt_out import OptOuts

pytestmark = pytest.mark.usefixtures("ray")


def entries(count: int, document_id: str) -> pa.Table:
    rows = [
        {
            "image_id": f"{document_id}{number:031x}",
            "document_id": document_id,
            "url": f"ftp://example.org/{number}",
            "scientific_name": "Rosa canina",
            "license_id": "CC0-1.0",
            "reason": None if number % 2 else "missing",
        }
        for number in range(count)
    ]
    return pa.Table.from_pylist(rows, ENTRY_SCHEMA)


def test_a_function_maps_every_block_once() -> None:
    blocks = [entries(count, name) for count, name in ((10, "a"), (1, "b"), (7, "c"))]
    arguments = {"guard": AddressGuard.of([]), "opt_outs": OptOuts(), "policy": LicensePolicy()}
    tables = list(map_tables(blocks, check_each, arguments))
    assert sorted((table["document_id"][0].as_py(), table.num_rows) for table in tables) == [
        ("a", 10),
        ("b", 1),
        ("c", 7),
    ]
    assert {table["reason"][1].as_py() for table in tables if table.num_rows > 1} == {"address_refused"}
    here = list(map_tables(blocks, check_each, arguments, max_tasks=0))
    assert sorted(here, key=lambda table: -table.num_rows) == sorted(tables, key=lambda table: -table.num_rows)


def test_no_block_no_work() -> None:
    assert list(map_tables([], check_each)) == []
    assert list(map_with_actors([], PhotoFetcher)) == []


@pytest.mark.parametrize(("num_actors", "calls_per_actor"), [(0, 2), (1, 4), (2, 1)])
def test_actors_answer_for_every_row(num_actors: int, calls_per_actor: int) -> None:
    table = entries(300, "a")
    arguments = {
        "settings": FetchSettings(user_agent="tests"),
        "photo": PhotoSettings(short_side_pixels=64, jpeg_quality=90, max_pixels=10**6),
        "decode_threads": 1,
    }
    blocks = list(slices(table, ("image_id", "url")))
    assert [block.num_rows for block in blocks] == [128, 128, 44]
    results = pa.concat_tables(
        map_with_actors(
            blocks, PhotoFetcher, arguments, num_actors=num_actors, calls_per_actor=calls_per_actor, num_cpus=0.5
        )
    )
    assert sorted(results["image_id"].to_pylist()) == table["image_id"].to_pylist()
    assert set(results["reason"].to_pylist()) == {"address_refused"}


def test_an_inner_session_uses_the_outer_ones_ray() -> None:
    before = ray_module.get_runtime_context().get_job_id()
    with ray_session(num_cpus=1):
        assert ray_module.get_runtime_context().get_job_id() == before
        assert cluster_cpus() == 2
    assert ray_module.is_initialized()


def test_the_object_store_is_bounded() -> None:
    assert object_store_size(10**12) == MAX_OBJECT_STORE_BYTES
    assert object_store_size(10**6) == MIN_OBJECT_STORE_BYTES
    assert object_store_size(10**10) == 15 * 10**8


def test_phases_are_light_to_import() -> None:
    phases = ", ".join(f"aplantida.phases.{name}" for name in ("audit_dataset", "export_dataset", "fetch_images"))
    code = f"import sys, {phases}; print([name for name in ('ray', 'torch', 'tensorflow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
