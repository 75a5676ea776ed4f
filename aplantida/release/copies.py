"""Copies of bundles without ``artifact.json``, as they lie in web pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from aplantida.domain.seals import hash_file
from aplantida.export.bundle import MANIFEST_FILE
from aplantida.release.sightings import ids_in_texts
from aplantida.release.walking import walk


def find_copies(
    folders: Sequence[Path],
    originals: Mapping[str, Path],
    ids: Sequence[str],
    known: Collection[Path],
    unread: list[str],
) -> Iterator[tuple[Path, str]]:
    """Copies below ``folders`` that are of an original or show a photo, and why.

    Args:
        folders: of runs and bundles; one that is not there holds nothing.
        originals: places of bundles by the sha256 of their ``bundle.json``.
        ids: of photos, sorted.
        known: resolved places of artifacts, which are no copies.
        unread: is given a sentence for each that cannot be read.
    """
    below = (found for folder in folders if folder.is_dir() for found in walk(folder, follow=True))
    files = {(place / MANIFEST_FILE).resolve() for place, _, names in below if MANIFEST_FILE in names}
    for file in sorted(file for file in files if file.parent not in known):
        try:
            original = originals.get(hash_file(file))
            golden = ids_in_texts(sorted((file.parent / "golden").glob("*")), ids)
        except OSError as error:
            unread.append(str(error))
            continue
        if original is not None:
            yield file.parent, f"a copy of {original}"
        elif golden:
            yield file.parent, f"shows {len(golden)} of the photos as examples"
