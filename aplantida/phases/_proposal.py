"""proposed_collection.yaml: what a sample of the documents suggests to write into the collection's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import yaml

from aplantida.data.collection_address import CollectionAddress, CollectionError
from aplantida.data.mongo import read_documents
from aplantida.data.proposing import SAMPLE, Proposal, example_of, propose
from aplantida.phases._collection_file import CollectionFile
from aplantida.pipeline.config import PhaseConfig
from aplantida.pipeline.errors import BadRequest

PROPOSED = "proposed_collection.yaml"
_MAPPING = "mapping"


def proposal_for(address: CollectionAddress) -> Proposal:
    """What the first documents of a collection suggest.

    Raises:
        BadRequest: when the collection cannot be read.
    """
    try:
        return propose(list(islice(read_documents(address), SAMPLE)))
    except CollectionError as error:
        raise BadRequest(str(error)) from None


def proposal_text(proposal: Proposal, config: PhaseConfig) -> str:
    """The whole file: the proposed mapping, each field with examples, and the other keys as the audit had them."""
    keys = _of_file(CollectionFile, config.model_dump(mode="json"))
    lines = [
        f"# Proposed by the audit from the first {proposal.num_documents} documents. Look it through, correct it, and",
        "# put it in the place of configs/collection.yaml, which says what each key means. All but mapping is as the",
        "# audit had it.",
    ]
    for name, value in keys.items():
        if name != _MAPPING:
            lines += yaml.safe_dump({name: value}, allow_unicode=True, sort_keys=False, width=100).splitlines()
            continue
        lines.append("mapping:")
        for field, paths in proposal.paths.items():
            said = ", ".join(proposal.examples.get(field, ())) or ("" if paths else "nothing like it was found")
            listed = [path if isinstance(path, str) else list(path) for path in paths]
            shown = yaml.safe_dump(listed, default_flow_style=True, allow_unicode=True, width=10_000).strip()
            lines.append(f"  {field}: {shown}" + (f"  # {said}" if said else ""))
    lines += ["", "# The fields that were seen, how often, and one of their values:"]
    for path, count in proposal.fields_seen().items():
        lines.append(f"#   {path} ({count}): {example_of(proposal.seen[path][0])}")
    return "".join(f"{_printable(line)}\n" for line in lines)


def seen_sentence(fields_seen: Mapping[str, int], most: int = 30) -> str:
    """The fields in a line."""
    names: Sequence[str] = list(fields_seen)[:most]
    more = f" and {len(fields_seen) - most} more" if len(fields_seen) > most else ""
    return ", ".join(names) + more if names else "none"


def _of_file(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` of the keys the collection's file has, section by section, in its order."""
    said: dict[str, Any] = {}
    for name, field in kind.model_fields.items():
        inner = values.get(name, field.get_default(call_default_factory=True))
        is_section = isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields")
        said[name] = _of_file(field.annotation, inner) if is_section else inner
    return said


def _printable(line: str) -> str:
    """Of what no YAML file may hold, a mark."""
    return "".join(character if character.isprintable() else "\ufffd" for character in line)
