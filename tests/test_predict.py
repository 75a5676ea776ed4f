"""``python -m aplantida.predict`` as a user meets it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aplantida.export.node import NodeClassifier
from aplantida.predict import MAX_PIXELS, UnreadablePhotoError, main, predict, read_photo
from tests.fixtures.bundle import write_bundle, write_manifest
from tests.fixtures.photos import draw, write_photos


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("predict") / "bundle")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_photos(tmp_path_factory.mktemp("photos"), 12)


def test_a_bad_photo_is_a_row_and_the_others_still_come_out(
    bundle: Path, photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.jpg"
    page.write_text("<html>not found</html>")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos[0].read_bytes()[:2000])
    given = [str(photos[0]), str(page), str(tmp_path / "nowhere.jpg"), str(cut), str(tmp_path), str(photos[1])]
    assert main(["--bundle", str(bundle), "--json", *given]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["photo"] for row in rows] == given
    for row in (rows[0], rows[-1]):
        assert row["decision"] in ("species", "unsure")
        assert row["reason"] is None
        assert len(row["top"]) == 5
        probabilities = [item["probability"] for item in row["top"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1
        assert row["top"][0]["scientific_name"]
    reasons = [row["reason"] for row in rows[1:-1]]
    assert [row["decision"] for row in rows[1:-1]] == ["error"] * 4
    assert all(row["top"] == [] for row in rows[1:-1])
    assert "not_an_image" in reasons[0]
    assert "No such file" in reasons[1]
    assert "truncated" in reasons[2]
    assert "directory" in reasons[3]


def test_paths_come_from_standard_input(bundle: Path, photos: list[Path]) -> None:
    command = [sys.executable, "-m", "aplantida.predict", "--bundle", str(bundle), "--json", "-"]
    text = "\n".join(map(str, photos[:3])) + "\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert [json.loads(line)["photo"] for line in done.stdout.splitlines()] == [str(path) for path in photos[:3]]


def test_the_table_is_for_people(bundle: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(bundle), str(photos[0])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{photos[0]}: ")
    assert len(lines) == 6
    assert "%" in lines[1]


def test_an_altered_weight_byte_ends_it(tmp_path: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_bundle(tmp_path / "bundle")
    weights = folder / "model" / "weights.bin"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 128
    weights.write_bytes(data)
    assert main(["--bundle", str(folder), "--json", str(photos[0])]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "model/weights.bin was altered" in captured.err


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--bundle", str(tmp_path), "photo.jpg"]) == 2
    assert "holds no bundle.json" in capsys.readouterr().err


def test_ten_photos_a_second_after_the_start(bundle: Path, photos: list[Path]) -> None:
    rows = predict(bundle, [str(path) for path in photos] * 5)
    next(rows)
    start = time.monotonic()
    count = sum(1 for _ in rows)
    assert count == 59
    assert count / (time.monotonic() - start) >= 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(tmp_path: Path, orientation: int) -> None:
    upright = draw(40, 34, 9)
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that a camera of that orientation undoes
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(turns[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(read_photo(tmp_path / "photo.png"), upright)


def test_gray_palette_transparency_and_sixteen_bits_become_rgb(tmp_path: Path) -> None:
    pixels = draw(50, 40, 1)
    gray = np.asarray(Image.fromarray(pixels).convert("L"))
    Image.fromarray(gray).save(tmp_path / "gray.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "gray.png"), gray[..., None].repeat(3, 2))
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "deep.png"), gray[..., None].repeat(3, 2))
    clear = np.dstack([pixels, np.zeros((40, 50), np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert (read_photo(tmp_path / "clear.png") == 255).all()
    Image.fromarray(pixels).quantize(8).save(tmp_path / "palette.png")
    assert read_photo(tmp_path / "palette.png").shape == (40, 50, 3)


def test_what_is_no_file_is_a_row_and_never_a_wait(
    bundle: Path, photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    given = [
        str(tmp_path / "pipe.jpg"),
        "/dev/zero",
        "nul\0.jpg",
        str(tmp_path / "loop.jpg"),
        "x" * 5000,
        str(photos[0]),
    ]
    assert main(["--bundle", str(bundle), "--json", *given]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["decision"] == "error" for row in rows] == [True] * 5 + [False]
    assert "pipe" in rows[0]["reason"]
    assert "device" in rows[1]["reason"]
    assert all(row["reason"] for row in rows[:-1])


@pytest.mark.parametrize("how", ["argument", "standard input"])
@pytest.mark.parametrize("json_lines", [True, False])
def test_names_that_are_no_utf8_come_out(
    bundle: Path, photos: list[Path], tmp_path: Path, how: str, json_lines: bool
) -> None:
    name = os.fsencode(tmp_path) + b"/cardo-mar\xeda\xff.jpg"
    Path(os.fsdecode(name)).write_bytes(photos[0].read_bytes())
    missing = os.fsencode(tmp_path) + b"/no\xe9.jpg"
    command: list[str | bytes] = [sys.executable, "-m", "aplantida.predict", "--bundle", str(bundle)]
    command += ["--json"] if json_lines else []
    command += [name, missing] if how == "argument" else ["-"]
    done = subprocess.run(command, input=name + b"\n" + missing + b"\n", capture_output=True, check=True)
    text = done.stdout.decode()
    assert "cardo-mar\\xeda\\xff.jpg" in (text if not json_lines else json.loads(text.splitlines()[0])["photo"])
    assert "No such file" in text
    assert done.stderr == b""


def test_far_too_many_pixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5) + 1
    stream = io.BytesIO()
    Image.new("1", (side, side)).save(stream, "PNG")
    (tmp_path / "bomb.png").write_bytes(stream.getvalue())
    with pytest.raises(UnreadablePhotoError, match="pixels"):
        read_photo(tmp_path / "bomb.png")


def test_several_photos_of_one_plant_are_one_answer(
    bundle: Path, photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.jpg"
    page.write_text("<html>not found</html>")
    given = [str(photos[0]), str(page), str(photos[1])]
    assert main(["--bundle", str(bundle), "--json", "--plant", *given]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["photos"] == [given[0], given[2]]
    assert f"{page}: not_an_image" in row["reason"]
    with NodeClassifier(bundle) as node:
        logits = np.mean([node.logits(read_photo(path)).astype(float) for path in photos[:2]], axis=0)
        temperature, names = node.info.temperature, node.info.class_ids
    shares = np.exp((logits - logits.max()) / temperature)
    shares /= shares.sum()
    assert row["top"][0]["scientific_name"] == names[shares.argmax()]
    assert row["top"][0]["probability"] == pytest.approx(shares.max(), abs=1e-6)
    assert main(["--bundle", str(bundle), "--plant", str(page)]) == 0
    assert "error" in capsys.readouterr().out


def test_the_rule_is_printed_and_the_closest_species_of_strangers_only_when_asked(
    tmp_path: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_bundle(tmp_path / "bundle", threshold=0.0)
    assert main(["--bundle", str(folder), str(photos[0])]) == 0
    assert "[species_threshold]" in capsys.readouterr().out
    decision = json.loads((folder / "decision.json").read_text())
    gates = {"plant": {"score": "energy", "threshold": 1e9}, "known": None}
    (folder / "decision.json").write_text(json.dumps({**decision, "strangers": gates}))
    write_manifest(folder)
    assert main(["--bundle", str(folder), str(photos[0])]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{photos[0]}: not a plant [plant_score]"]
    assert main(["--bundle", str(folder), "--closest", str(photos[0])]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
