"""Signatures of bundles, by OpenSSF's model-signing: every file of a bundle under one ECDSA signature in a file apart.

Whoever has the public key can check one, with ``python -m aplantida.verify BUNDLE --key PUBLIC.pem`` or with
model-signing's own command. ``artifact.json`` is no part of what is signed: a bundle goes into a web page without it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aplantida.export.bundle import MANIFEST_FILE

KEY_VARIABLE = "APLANTIDA_SIGNING_KEY"
SIGNATURE_FILE = "bundle.sig"
_NOT_SIGNED = ("artifact.json", "_progress", SIGNATURE_FILE)
_MALFORMED = (OSError, ValueError, KeyError, TypeError, AttributeError, InvalidSignature, UnsupportedAlgorithm)


def make_key(folder: Path) -> Path:
    """A new private key, ``key.pem`` (only its owner may read it), and ``public.pem``; one that is there stays.

    Returns:
        The private key's file.
    """
    private, public = folder / "key.pem", folder / "public.pem"
    folder.mkdir(parents=True, exist_ok=True)
    if not private.is_file():
        key = ec.generate_private_key(ec.SECP256R1())
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with os.fdopen(os.open(private, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(text)
    public.write_bytes(
        _private_key(private)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private


def signer_of(private_key: Path) -> str:
    """Who signs with a key: ``sha256:`` and the hash of the public key (DER), which names it and gives nothing away.

    Raises:
        ValueError: when the file is no unencrypted private key of an elliptic curve, as PEM.
    """
    return _name_of(_private_key(private_key).public_key())


def owner_of(public_key: Path) -> str:
    """The same name, of a public key's file.

    Raises:
        ValueError: when the file is no public key of an elliptic curve, as PEM.
    """
    try:
        key = serialization.load_pem_public_key(public_key.read_bytes())
    except _MALFORMED as error:
        raise ValueError(f"{public_key}: want a public key as PEM: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError(f"{public_key}: want a public key of an elliptic curve, found {type(key).__name__}")
    return _name_of(key)


def sign_bundle(bundle: Path, private_key: Path, signature: Path) -> None:
    """Sign all files of a bundle into the file ``signature``, which should lie outside of it.

    Raises:
        ValueError: for a key as in :func:`signer_of`, or a bundle with a link in it.
    """
    from model_signing import hashing, signing

    _private_key(private_key)
    ignored = hashing.Config().set_ignored_paths(paths=[bundle / name for name in _NOT_SIGNED])
    signing.Config().use_elliptic_key_signer(private_key=private_key).set_hashing_config(ignored).sign(
        bundle, signature
    )


def broken_signature(bundle: Path, public_key: Path, signature: Path) -> str | None:
    """What is wrong with a bundle's signature; None when these very files were signed by that key's owner.

    It must cover ``bundle.json`` and all that is listed there: another signature by the same key, over some of these
    files, says nothing of the rest. Files beside the bundle's own are not looked at: a page's folder may hold more.

    Raises:
        ValueError: for a public key as in :func:`owner_of`.
    """
    from model_signing import hashing, verifying

    class SignedFiles(hashing.Config):
        """Hashes the files of a signature that was verified, and notes which they are."""

        covered: frozenset[str] = frozenset()

        def hash(self, model_path: Any, *, files_to_hash: Iterable[Any] | None = None) -> Any:
            named = list(files_to_hash or ())
            self.covered = frozenset(Path(file).relative_to(model_path).as_posix() for file in named)
            return super().hash(model_path, files_to_hash=named)

    owner_of(public_key)
    if not signature.is_file():
        return f"{signature}: no such file; --signature names it where it lies elsewhere"
    signed = SignedFiles()
    check = verifying.Config().use_elliptic_key_verifier(public_key=public_key).set_ignore_unsigned_files(True)
    try:
        check.set_hashing_config(signed).verify(bundle, signature)
        missing = sorted(_listed(bundle) - signed.covered)
    except _MALFORMED as error:
        return f"{signature}: does not hold for these files and this key: {error or type(error).__name__}"
    more = f" and {len(missing) - 1} more of the bundle's files" if len(missing) > 1 else ""
    return f"{signature}: does not cover {missing[0]}{more}" if missing else None


def _listed(bundle: Path) -> set[str]:
    """Names of all files of a bundle, ``bundle.json`` among them."""
    document = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    return {MANIFEST_FILE, *document["files"], *document["formats"]}


def signature_beside(bundle: Path) -> Path:
    """Where a bundle's signature is put, and looked for: ``NAME.sig`` beside the folder ``NAME``."""
    whole = bundle.resolve()
    return whole.with_name(f"{whole.name}.sig")


def _private_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except _MALFORMED as error:
        raise ValueError(f"{file}: want an unencrypted private key as PEM: {type(error).__name__}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{file}: want a private key of an elliptic curve, found {type(key).__name__}")
    return key


def _name_of(key: ec.EllipticCurvePublicKey) -> str:
    data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(cast('bytes', data)).hexdigest()}"
