"""``README.md`` of a release: a model card with the front matter that Hugging Face reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from aplantida.domain.escaping import for_markdown, plain
from aplantida.release.release_parts import Release

TAGS = ("image-classification", "plants", "biology", "tfjs", "tensorflow.js", "on-device")
HUB_LICENSES = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0")
_INTENDED = (
    "To suggest which plant a photo may show, in a web page, on the visitor's own device: a first idea, for learning "
    "and for looking further.",
    "**Never eat, drink, touch or give to an animal anything because of an answer of this model.** Poisonous plants "
    "look like edible ones, and the model may be wrong while it is sure. Nor is it for medicine, for law, or for "
    "decisions about protected species: ask a botanist.",
)


def card(release: Release, contact: str = "") -> str:
    """The card's text; ``contact`` is whom to ask about the model."""
    facts = release.facts
    lines = [
        "---",
        front_matter(release),
        "---",
        "",
        f"# {for_markdown(release.title)}",
        "",
        f"Names {facts['num_classes']} species of plants{_of_region(release)} from one photo of "
        f"{facts['image_size']} x {facts['image_size']} pixels ({for_markdown(facts['architecture'])}, TensorFlow.js).",
        "",
        *_section("Intended use", _INTENDED),
        *_section("When it names a species", _promise(release)),
        *_section("Measured on test photos", _measured(release)),
        *_section("Training data", _data(release)),
        *_section("Limits", _limits(release)),
        *_section("Files and licence", _files(release)),
        *(_section("Contact", [for_markdown(contact)]) if contact else []),
    ]
    return "\n".join(lines).rstrip() + "\n"


def front_matter(release: Release) -> str:
    """The YAML between the card's rules."""
    facts = release.facts
    spdx = str(facts["license"]).lower()
    on_hub = spdx in HUB_LICENSES
    data = ModelCardData(
        model_name=plain(facts["name"]),
        pipeline_tag="image-classification",
        library_name="tfjs",
        tags=list(TAGS),
        metrics=["accuracy"],
        eval_results=list(_results(release)),
        license=spdx if on_hub else "other",
        license_name=None if on_hub else plain(spdx),
        license_link=None if on_hub else "LICENSE-MODEL.md",
    )
    return data.to_yaml(line_break="\n")


def _results(release: Release) -> Iterable[EvalResult]:
    for what, row in _rows(release):
        for metric in ("top1", "top5"):
            yield EvalResult(
                task_type="image-classification",
                dataset_type="aplantida",
                dataset_name=f"Aplantida test photos, {plain(what)}",
                dataset_config=plain(what),
                dataset_split="test",
                metric_type="accuracy",
                metric_name=f"{metric[:3]}-{metric[3:]} accuracy",
                metric_value=round(row[metric], 4),
                metric_args={"num_photos": row["num_photos"]},
            )


def _rows(release: Release) -> list[tuple[str, Mapping[str, Any]]]:
    """What was measured: all photos, each region, each band of training photos; parts without a photo are left out."""
    test = release.test
    named = [("all", test)]
    named += [(f"region {name}", row) for name, row in test["regions"].items()]
    named += [(f"species with {name} training photos", row) for name, row in test["frequency_bands"].items()]
    return [(what, row) for what, row in named if row["num_photos"]]


def _measured(release: Release) -> list[str]:
    rows = [
        (what, str(row["num_photos"]), _percent(row["top1"]), _percent(row["top5"])) for what, row in _rows(release)
    ]
    ece = release.calibrated["ece"]["after"]
    return [
        markdown_table(("photos", "number", "top-1", "top-5"), rows),
        f"Calibration error (ECE) after temperature scaling: {ece:.3f}. No observation of a test photo is in training.",
    ]


def _promise(release: Release) -> list[str]:
    decision = release.decision
    if "unsure_because" in decision:
        why = "; ".join(for_markdown(text) for text in decision["unsure_because"])
        return [f"Never: its decision is always “unsure”, because {why}."]
    found = (
        "none was named" if decision["precision"] is None else f"of those {_percent(decision['precision'])} are right"
    )
    return [
        f"Where it is at least {_percent(decision['threshold'])} sure, so that "
        f"{_percent(decision['target_precision'])} of the species it names should be right. On test it named "
        f"{_percent(decision['coverage'])} of the photos; {found}. Else "
        "it says a genus, a family, a few species, or that it is unsure."
    ]


def _data(release: Release) -> list[str]:
    photos = release.licenses["photos"]
    rows = [(name, str(count)) for name, count in sorted(photos["by_license"].items(), key=lambda item: -item[1])]
    decisions = [
        f"{row['about']}: {row['num_photos']} photos; decided by {row['decision']['by']} on {row['decision']['date']}: "
        f"{row['decision']['decided']}"
        for row in release.licenses.get("decisions", [])
        if row["decision"] is not None
    ]
    return [
        _photos(release),
        markdown_table(("licence", "photos"), rows),
        *(for_markdown(text) for text in decisions),
        *_weights(release),
    ]


def _photos(release: Release) -> str:
    photos, named = release.licenses["photos"], release.facts["num_classes"]
    nameless = photos["num_nameless"]
    of_nameless = f" Of {nameless} of the photos no author is given." if nameless else ""
    if release.region is None:
        return (
            f"{photos['num_photos']} photos of {named} species, for training, validation and test. Their licences and "
            f"authors are listed by species in the bundle's `credits/`.{of_nameless}"
        )
    return (
        f"{photos['num_photos']} photos of {photos['num_species']} species, for training, validation and test. The "
        f"authors of the {named} species that it names, with their licences, are in the bundle's `credits/`, all in "
        f"the list that `attributions.html` names.{of_nameless}"
    )


def _of_region(release: Release) -> str:
    return "" if release.region is None else f" that live in {for_markdown(release.region)}, and no others,"


def _weights(release: Release) -> list[str]:
    began = {(row["pretrained"], row["pretrained_license"]) for row in release.licenses["weights"] if row["pretrained"]}
    if not began:
        return ["All models were trained from nothing."]
    rows = [(str(name), str(license_id)) for name, license_id in sorted(began, key=str)]
    return ["Weights that the student and its teachers began from:", markdown_table(("weights", "licence"), rows)]


def _limits(release: Release) -> list[str]:
    rare = [row for _, row in _rows(release) if row["num_photos"] < 30]
    texts = [
        f"It knows {release.facts['num_classes']} species and no other: a plant of another may get a name of these.",
        "Test photos are like training photos: other cameras, seasons, stages and countries may give worse answers.",
    ]
    if release.region is not None:
        texts.append(
            f"It learned more species than it names: plants not known to live in {for_markdown(release.region)} were "
            "left out, and get another's name unless they are refused as unknown. It was measured on photos of its "
            "own species from there."
        )
    if rare:
        texts.append(f"{len(rare)} of the rows above have fewer than 30 photos and say little.")
    for name, what in (("known", "plants of species that it does not know"), ("plant", "pictures without a plant")):
        if release.decision["strangers"][name] is None:
            reason = release.calibrated.get("strangers", {}).get(name, {}).get("reason", "it was shown none")
            texts.append(f"It has no rule that tells {what}: {reason}.")
    return ["\n".join(f"- {text}" for text in texts)]


def _files(release: Release) -> list[str]:
    return [
        f"The weights are given under {for_markdown(str(release.facts['license']))} (`LICENSE-MODEL.md`); works in the "
        "page's program: `THIRD_PARTY.html`, `sbom.cdx.json`. `RELEASE.md` has all digests and says who signed.",
    ]


def _section(title: str, paragraphs: Sequence[str]) -> list[str]:
    lines = [f"## {title}", ""]
    for text in paragraphs:
        lines += [text, ""]
    return lines


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are texts from data."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(for_markdown(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
