"""The notes and the card of a release: hostile texts stay texts, and the figures are those that were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import yaml
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from aplantida.domain.escaping import plain
from aplantida.pipeline.artifact import Artifact
from aplantida.release.lineage import Lineage
from aplantida.release.previous import ReleaseFacts, changes, drops
from aplantida.release.release_card import card, front_matter
from aplantida.release.release_notes import gate_table, notes
from aplantida.release.release_parts import Release
from tests.fixtures.hostile import HOSTILE

KINDS = {"text", "text_special", "strong_open", "strong_close", "code_inline", "softbreak"}


def release(decision: dict[str, Any] | None = None, license_id: str = "CC-BY-4.0") -> Release:
    """A release that holds nothing but texts."""
    part = {"num_photos": 40, "top1": 0.5, "top5": 0.9}
    known = {
        "facts": {
            **{"name": HOSTILE[0], "version": HOSTILE[1], "architecture": HOSTILE[2], "license": license_id},
            **{"num_classes": 3, "image_size": 32},
        },
        "test": {
            **part,
            "regions": dict.fromkeys(HOSTILE, part),
            "frequency_bands": {"0-9": {**part, "num_photos": 0}},
        },
        "calibrated": {"ece": {"after": 0.02}},
        "decision": decision
        or {
            **{"threshold": 0.7, "target_precision": 0.9, "coverage": 0.6, "precision": 0.91},
            "strangers": {"plant": None, "known": None},
        },
        "licenses": {
            "photos": {"num_photos": 9, "num_nameless": 4, "by_license": dict.fromkeys(HOSTILE, 1)},
            "decisions": [
                {"about": text, "num_photos": 1, "decision": {"by": text, "date": text, "decided": text}}
                for text in HOSTILE
            ],
            "weights": [{"pretrained": text, "pretrained_license": text} for text in HOSTILE],
        },
    }
    artifacts = [
        Artifact(Path("x") / (text.replace("/", "_") or "_"), {"kind": text, "digest": text}) for text in HOSTILE
    ]
    nothing = cast("Artifact", None)
    made = Release(nothing, nothing, nothing, nothing, (), (), Lineage(tuple(artifacts), ()))
    made.__dict__.update(known)
    return made


def facts(**changes: Any) -> ReleaseFacts:
    values: dict[str, Any] = {
        **{"name": "a", "version": "v1", "bundle_sha256": "00", "inputs": {}, "num_classes": 3, "image_size": 32},
        **{"license": "MIT", "bytes": 10, "top1": {"all": 0.5}, "num_photos": {"all": 40}},
    }
    return ReleaseFacts(**{**values, **changes})


def check_markdown(text: str) -> None:
    """Nothing in it is read as more than headings, lists, tables and plain text."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    assert not {token.type for token in tokens} & {"html_block", "fence", "hr", "blockquote_open", "lheading_open"}
    kinds = {child.type for token in tokens if token.type == "inline" for child in token.children or ()}
    assert kinds <= KINDS


def test_hostile_texts_stay_texts() -> None:
    before = facts(name=HOSTILE[3], top1=dict.fromkeys(HOSTILE, 0.1), inputs=dict.fromkeys(HOSTILE, HOSTILE[4]))
    rows = {text: [text, text] for text in HOSTILE}
    check_markdown(notes(release(), rows, "unsigned", facts(), before))
    check_markdown(gate_table(rows))
    text = card(release(), " ".join(HOSTILE))
    front, body = text.removeprefix("---\n").split("\n---\n", 1)
    check_markdown(body)
    data = yaml.safe_load(front)
    names = {row["dataset"]["name"] for row in data["model-index"][0]["results"]}
    assert names == {
        "Aplantida test photos, all",
        *(f"Aplantida test photos, region {plain(text)}" for text in HOSTILE),
    }


def test_the_front_matter_is_what_the_hub_reads() -> None:
    data = ModelCard(card(release()), ignore_metadata_errors=False).data.to_dict()
    found = {
        (row["dataset"]["config"], metric["name"]): metric["value"]
        for row in data["model-index"][0]["results"]
        for metric in row["metrics"]
    }
    assert found["all", "top-1 accuracy"] == 0.5
    assert found["all", "top-5 accuracy"] == 0.9
    assert not any("0-9" in str(name) for name, _ in found)  # no photo, no figure
    assert "license: cc-by-4.0" in front_matter(release())
    other = yaml.safe_load(front_matter(release(license_id="LicenseRef-Ours")))
    assert (other["license"], other["license_name"], other["license_link"]) == (
        "other",
        "licenseref-ours",
        "LICENSE-MODEL.md",
    )


def test_what_is_promised_is_said_with_what_was_measured() -> None:
    assert "On test it named 60.0 % of the photos; of those 91.0 % are right" in card(release())
    assert "Of 4 of the photos no author is given." in card(release())
    unsure = {"strangers": {"plant": None, "known": None}, "unsure_because": ["val has 3 photos"]}
    text = card(release(unsure))
    assert "always “unsure”, because val has 3 photos" in text
    assert "are right" not in text


def test_only_what_changed_is_listed_and_every_part_is_held_against() -> None:
    assert changes(facts(), facts()) == []
    now = facts(version="v2", top1={"all": 0.4, "band 0-9": 0.2})
    assert changes(facts(), now) == [
        ("version", "v1", "v2"),
        ("top-1, all", "50.0 %", "40.0 %"),
        ("top-1, band 0-9", "–", "20.0 %"),
    ]
    assert [(drop.part, drop.before, drop.now) for drop in drops(now, facts())] == [
        ("all", 0.4, 0.5),
        ("band 0-9", 0.2, None),
    ]
