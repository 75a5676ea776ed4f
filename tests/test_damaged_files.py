"""No command ends in a traceback for a file that is cut, garbled, empty, gone, or a folder: it says which, in words."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from aplantida.phases.build_dashboard import PHASE as DASHBOARD
from aplantida.phases.cleanup import PHASE as CLEANUP
from aplantida.phases.generate_manifest import PHASE as MANIFEST
from aplantida.pipeline.cli import main as run_job
from aplantida.predict import main as predict
from aplantida.release.records import write_records
from aplantida.reproduce import main as reproduce
from aplantida.trace import main as trace
from aplantida.verify import main as verify
from tests.fixtures.exported import run_phase
from tests.fixtures.photos import write_photos
from tests.fixtures.released import copy_made

MADE = ["images", "split", "model", "quantized", "evaluation", "calibration", "licenses", "bundle"]
MANIFEST_FILE = "manifest/TRAINING_MANIFEST_v1.0.yaml"
WAYS = ("cut", "footer", "garbage", "empty", "gone", "folder", "dangling", "unreadable")
SELDOM = ("footer", "empty", "folder", "dangling")  # whose tests are slow ones


@pytest.fixture(scope="module")
def whole(exported_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with manifest, dashboard and records, its bundle once more without ``artifact.json``, and photos."""
    folder = tmp_path_factory.mktemp("damaged") / "run"
    copy_made(exported_root, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APLANTIDA_ROOT", str(folder))
        run_phase(MANIFEST, "manifest", {"artifacts": MADE})
        made = run_phase(DASHBOARD, "dashboard", {"artifacts": [*MADE, "manifest"]})
        write_records("tiny_v1.0", "manifest", folder / "manifest", made.digest, {"artifacts": [made]})
    shutil.copytree(folder / "bundle", folder / "pwa", ignore=shutil.ignore_patterns("artifact.json"))
    write_photos(folder / "photos", 1)
    return folder


@pytest.fixture(autouse=True)
def root(whole: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("APLANTIDA_ROOT", str(whole))
    return whole


def samples(root: Path) -> list[Path]:
    """Files of every kind: one for each artifact and each name without digits."""
    kinds: dict[tuple[str, str], Path] = {}
    for file in sorted(root.rglob("*")):
        if file.is_file() and "photos" not in file.parts and "_logs" not in file.parts:
            stem = "".join(letter for letter in file.name if not letter.isdigit() and letter not in "abcdef")
            place = file.relative_to(root).parts[0]
            kinds.setdefault((place, stem if file.suffix in (".parquet", ".yaml", ".json") else file.suffix), file)
    return list(kinds.values())


@contextmanager
def damaged(file: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The file in another state, and put back."""
    data, aside = file.read_bytes(), file.with_name(f"{file.name}.aside")
    file.rename(aside)
    draw = random.Random(f"{file.name} {way}")
    with monkeypatch.context() as patch:
        if way in ("folder", "dangling"):
            file.mkdir() if way == "folder" else file.symlink_to(file.with_name("nothing"))
        elif way == "unreadable":
            file.write_bytes(data)
            _refuse_to_open(file, patch)
        elif way != "gone":
            half, tail = data[: len(data) // 2], bytes(draw.randrange(256) for _ in range(8))
            changed = {"cut": half, "empty": b"", "footer": data[:-8] + tail}
            file.write_bytes(changed.get(way, bytes(draw.randrange(256) for _ in range(len(data) % 50_000))))
        elsewhere = aside.replace(Path(os.environ["APLANTIDA_ROOT"]).parent / "aside")
        try:
            yield
        finally:
            file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
            shutil.move(elsewhere, file)


def _refuse_to_open(file: Path, patch: pytest.MonkeyPatch) -> None:
    """As the system does where somebody else owns a file; whoever runs the tests may own all."""
    opened = Path.open

    def refuse(path: Path, *words: object, **more: object) -> object:
        if path.resolve() == file.resolve():
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *words, **more)  # pyright: ignore[reportCallIssue, reportArgumentType]

    patch.setattr(Path, "open", refuse)


def commands(root: Path, file: Path, photo: str) -> dict[str, int]:
    """The exit codes of all commands that read what lies there."""
    place = root / file.relative_to(root).parts[0]
    cleanup = ["--config", "configs/cleanup.yaml", "--config", str(root.parent / "cleanup.yaml")]
    codes = {
        "verify": verify([str(place)]),
        "verify all": verify([str(root)]),
        "trace": trace(["--photo", photo, "--runs", ".", "--bundles", "."]),
        "trace author": trace(["--author", "Author 3", "--runs", ".", "--bundles", "."]),
        "cleanup": run_job(CLEANUP, cleanup),
    }
    if place.name == "manifest":
        codes["verify file"] = verify([str(file)])
        codes["reproduce"] = reproduce(["--manifest", str(root / MANIFEST_FILE), "--into", "photos/x/y"])
    if place.name == "pwa":
        asked = ["--bundle", str(place), "--place", "europe", str(root / "photos/none.jpg")]
        codes["predict"] = predict(asked)
    return codes


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", [pytest.param(way, marks=pytest.mark.slow) if way in SELDOM else way for way in WAYS])
def test_every_command_answers_in_words(
    root: Path, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (root.parent / "cleanup.yaml").write_text(f"runs: {root}\nneeded_by: []\nkeep: []\n")
    photo = pq.read_table(root / "split/split.parquet", columns=["image_id"])["image_id"][0].as_py()
    files = samples(root)
    assert len(files) >= 40
    assert {file.suffix for file in files} >= {".json", ".parquet", ".yaml", ".safetensors", ".html", ".bin", ".csv"}
    for file in files[WAYS.index(way) % 3 :: 3]:  # each file in two or three ways
        with damaged(file, way, monkeypatch):
            codes = commands(root, file, photo)
        told = capsys.readouterr()
        assert set(codes.values()) <= {0, 2, 4}, (file, codes)
        assert "Traceback" not in told.out + told.err
        if way not in ("gone",) and file.parent.name != "_releases":
            assert codes["verify"] in (2, 4), (file, codes)


def test_a_table_that_cannot_be_read_is_said_and_what_was_made_of_it_is_still_traced(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = pq.read_table(root / "split/split.parquet", columns=["image_id"])["image_id"][0].as_py()
    shards = sorted((root / "images/shards").iterdir())
    file = next(
        shard for shard in shards if photo in pq.read_table(shard, columns=["image_id"])["image_id"].to_pylist()
    )
    with damaged(file, "footer", monkeypatch):
        assert trace(["--photo", photo, "--runs", ".", "--bundles", "."]) == 0
    told = capsys.readouterr().out
    assert f"cannot be read, so not looked at: {root / 'images'}: shards/{file.name}: " in told
    assert "/split: has the photo in" in told
    record = next((root / "_releases").iterdir())
    with damaged(record, "garbage", monkeypatch):
        assert trace(["--photo", photo, "--runs", ".", "--bundles", "."]) == 0
    assert f"cannot be read, so not looked at: {record}: is no record" in capsys.readouterr().out


def test_where_nothing_can_be_written_a_line_says_so(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = pq.read_table(root / "split/split.parquet", columns=["image_id"])["image_id"][0].as_py()
    (root.parent / "file").write_text("a file")
    into = str(root.parent / "file" / "into")
    assert trace(["--photo", photo, "--runs", ".", "--bundles", ".", "--into", into]) == 2
    assert f"trace: {into}/configs: Not a directory: part of the path is a file" in capsys.readouterr().err
    given = [word for name in MADE[:3] for word in ("--given", f"{name}={name}")]
    assert reproduce(["--manifest", str(root / MANIFEST_FILE), "--into", into, *given]) == 2
    told = capsys.readouterr().err
    assert f"no folder can be made there: {root.parent / 'file'} is no folder" in told
    assert "Traceback" not in told


def test_an_artifact_is_named_where_its_document_became_a_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with damaged(root / "split/artifact.json", "folder", monkeypatch):
        assert verify([str(root)]) == 4
    assert "artifact.json: cannot be read" in capsys.readouterr().out
