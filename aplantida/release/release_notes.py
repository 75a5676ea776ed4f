"""``RELEASE.md``: what the gate found, digests, who signed, and what changed since the last release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aplantida.domain.escaping import for_markdown
from aplantida.export.bundle import MANIFEST_FILE
from aplantida.export.signing import SIGNATURE_FILE
from aplantida.release.previous import ReleaseFacts, changes
from aplantida.release.release_card import markdown_table
from aplantida.release.release_parts import Release

UNSIGNED = "unsigned"


def gate_table(rows: Mapping[str, Sequence[str]]) -> str:
    """The gate's table: a row, whether it is green, and what is red in it."""
    return markdown_table(
        ("row", "", "what is red"),
        [(name, "RED" if red else "green", "; ".join(red)) for name, red in rows.items()],
    )


def notes(
    release: Release,
    rows: Mapping[str, Sequence[str]],
    signer: str,
    now: ReleaseFacts,
    before: ReleaseFacts | None,
) -> str:
    """The text.

    Args:
        release: what is released.
        rows: by row of the gate, what is red.
        signer: who signs, ``UNSIGNED`` for nobody.
        now: of this release.
        before: of the last one; None for none.
    """
    red = [for_markdown(name) for name, texts in rows.items() if texts]
    verdict = f"**Refused: {', '.join(red)}.**" if red else "Every row of the gate is green."
    lines = [
        f"# {for_markdown(release.title)}",
        "",
        verdict,
        "",
        gate_table(rows),
        "",
        "## Signature",
        "",
        _signature(signer, bool(red)),
        "",
        "## Since the last release",
        "",
        _since(before, now),
        "",
        "## Digests",
        "",
        f"sha256 of `{MANIFEST_FILE}`, which lists every file of the bundle with its own: `{now.bundle_sha256}`",
        "",
        markdown_table(
            ("artifact", "kind", "digest"),
            [(item.path.name, item.kind, item.digest) for item in release.lineage.artifacts],
        ),
    ]
    return "\n".join(lines) + "\n"


def _signature(signer: str, refused: bool) -> str:
    if refused:
        return "Not signed, for the gate refused it."
    if signer == UNSIGNED:
        return "This release is unsigned."
    return (
        f"`{SIGNATURE_FILE}` is by the owner of the key `{signer}` (sha256 of the public key, DER), made with OpenSSF "
        f"model-signing. Check it: `python -m aplantida.verify BUNDLE --key PUBLIC.pem --signature {SIGNATURE_FILE}`"
    )


def _since(before: ReleaseFacts | None, now: ReleaseFacts) -> str:
    if before is None:
        return "No last release was named (`previous`)."
    rows = changes(before, now)
    head = f"Held against {for_markdown(before.name)} {for_markdown(before.version)} (`{before.bundle_sha256[:12]}`)"
    if not rows:
        return f"{head}: nothing changed."
    return f"{head}:\n\n{markdown_table(('what', 'before', 'now'), rows)}"
