"""Who signed a release, and how that is checked by whoever has the public key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aplantida.export.bundle import altered_files
from aplantida.export.signing import KEY_VARIABLE, make_key, sign_bundle, signer_of
from aplantida.pipeline.errors import BadRequest, RecipeChanged
from aplantida.verify import main as verify
from tests.fixtures.released import gate, refusal


@pytest.fixture(autouse=True)
def root(released_root: Path) -> Path:
    return released_root


def test_a_signed_release_is_checked_by_the_public_key_alone(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = make_key(tmp_path / "keys")
    monkeypatch.setenv(KEY_VARIABLE, str(key))
    artifact = gate()
    assert signer_of(key) in artifact.file("RELEASE.md").read_text()
    assert key.stat().st_mode & 0o077 == 0
    key.unlink()
    monkeypatch.delenv(KEY_VARIABLE)
    bundle, public = str(root / "bundle"), str(tmp_path / "keys/public.pem")
    assert (root / "bundle.sig").read_bytes() == artifact.file("aside/bundle.sig").read_bytes()
    assert verify([bundle, "--key", public]) == 0
    assert "signed by sha256:" in capsys.readouterr().out
    shutil.copytree(root / "bundle", tmp_path / "pwa", ignore=shutil.ignore_patterns("artifact.json"))
    pwa = str(tmp_path / "pwa")
    assert verify([pwa, "--key", public]) == 4
    assert "--signature names it" in capsys.readouterr().out
    assert verify([pwa, "--key", public, "--signature", str(root / "bundle.sig")]) == 0
    shutil.copy(root / "bundle.sig", tmp_path / "pwa/bundle.sig")
    assert verify([pwa, "--key", public]) == 0
    make_key(tmp_path / "others")
    assert verify([pwa, "--key", str(tmp_path / "others/public.pem")]) == 4
    assert gate().digest == artifact.digest  # without a key it stays as it was signed
    monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / "others/key.pem"))
    with pytest.raises(RecipeChanged, match="signer"):
        gate()
    assert gate("by_another").digest != artifact.digest


def test_a_release_made_again_under_the_same_key_has_the_same_digest(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(make_key(tmp_path / "keys")))
    first, second = gate("one"), gate("two")
    assert first.digest == second.digest
    assert first.file("aside/bundle.sig").read_bytes() != second.file("aside/bundle.sig").read_bytes()


def test_who_writes_a_new_bundle_json_cannot_sign_it(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All seals are put right again by whoever changes a file; only the key cannot be had."""
    monkeypatch.setenv(KEY_VARIABLE, str(make_key(tmp_path / "keys")))
    gate()
    pwa, public = tmp_path / "pwa", str(tmp_path / "keys/public.pem")
    shutil.copytree(root / "bundle", pwa, ignore=shutil.ignore_patterns("artifact.json"))
    document = json.loads((pwa / "bundle.json").read_text())
    del document["seal"], document["files"]["THIRD_PARTY.html"]
    (pwa / "THIRD_PARTY.html").unlink()
    (pwa / "bundle.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    assert altered_files(pwa) == []
    assert verify([str(pwa)]) == 0
    assert verify([str(pwa), "--key", public, "--signature", str(root / "bundle.sig")]) == 4


@pytest.mark.parametrize("covered", [[], ["THIRD_PARTY.html"], ["bundle.json"]])
def test_a_signature_over_some_of_the_files_does_not_hold(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], covered: list[str]
) -> None:
    """The same key signed another folder, whose files are all in the bundle and as they were."""
    key = make_key(tmp_path / "keys")
    (tmp_path / "other").mkdir()
    for name in covered:
        shutil.copy(root / "bundle" / name, tmp_path / "other" / name)
    sign_bundle(tmp_path / "other", key, tmp_path / "other.sig")
    words = [str(root / "bundle"), "--key", str(tmp_path / "keys/public.pem"), "--signature"]
    assert verify([*words, str(tmp_path / "other.sig")]) == 4
    assert "other.sig: does not cover " in capsys.readouterr().out
    sign_bundle(root / "bundle", key, tmp_path / "own.sig")
    assert verify([*words, str(tmp_path / "own.sig")]) == 0


def test_a_red_release_is_not_signed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, str(make_key(tmp_path / "keys")))
    refusal(gates={"ship_unsure": True, "max_bundle_bytes": 9})
    assert not (root / "bundle.sig").exists()
    assert "Not signed" in (root / "release/RELEASE.md").read_text()


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_refused_before_any_work(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    for file in ("key.pem", "absent.pem"):
        monkeypatch.setenv(KEY_VARIABLE, str(tmp_path / file))
        with pytest.raises(BadRequest, match=f"{KEY_VARIABLE}: .*{file}: want an unencrypted private key"):
            gate()
    assert not (root / "release").exists()


def test_keys_and_signatures_of_the_command_line_that_are_none(root: Path, tmp_path: Path) -> None:
    make_key(tmp_path / "keys")
    (tmp_path / "text.pem").write_text("no key")
    public = str(tmp_path / "keys/public.pem")
    assert verify([str(root / "bundle"), "--key", str(tmp_path / "text.pem")]) == 2
    assert verify([str(root / "bundle"), "--key", str(tmp_path / "keys/key.pem")]) == 2  # the private one
    assert verify([str(root / "evaluation"), "--key", public]) == 2  # no bundle
    for text in ("", "{}", "[]", "no json"):
        (tmp_path / "a.sig").write_text(text)
        assert verify([str(root / "bundle"), "--key", public, "--signature", str(tmp_path / "a.sig")]) == 4
    with pytest.raises(SystemExit):
        verify([str(root / "bundle"), "--signature", str(tmp_path / "a.sig")])


def test_a_key_that_is_there_stays(tmp_path: Path) -> None:
    first = make_key(tmp_path).read_bytes()
    assert make_key(tmp_path).read_bytes() == first
