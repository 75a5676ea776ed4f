/** An answer in a visitor's words. */

import type { Candidate, Outcome, Prediction } from "./api";
import { commonNames, photosTogether, text, type Language, type TextKey } from "./texts";

/** How many names are asked for: a set may have so many. */
export const ASKED = 10;
/** How many are shown, but for a set, which is shown whole. */
const SHOWN = 5;
const STRANGERS: ReadonlySet<Outcome> = new Set(["not_a_plant", "unknown"]);

/** What is said above the names, and below them beside the warning. */
const SAID: Record<Outcome, readonly [TextKey, TextKey | null]> = {
  species: ["sure", null],
  genus: ["genus", null],
  family: ["family", null],
  set: ["oneOf", "oneOfNote"],
  unsure: ["unsure", "unsureNote"],
  unknown: ["unknownPlant", "unknownPlantNote"],
  not_a_plant: ["notAPlant", "notAPlantNote"],
};

/** Whether no species of the model is meant, so that names are shown only if asked for. */
export function isStranger(found: Prediction): boolean {
  return STRANGERS.has(found.decision);
}

/** The species that are listed with an answer. */
export function listed(found: Prediction): Candidate[] {
  return found.top.slice(0, found.set_size ?? SHOWN);
}

function said({ decision, set_size }: Prediction): readonly [TextKey, TextKey | null] {
  return set_size === 1 ? ["perhaps", "perhapsNote"] : SAID[decision];
}

function percent(language: Language, probability: number): string {
  const digits = probability < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: digits }).format(probability);
}

function bar(language: Language, candidate: Candidate): HTMLLIElement {
  const item = document.createElement("li");
  const name = document.createElement("span");
  name.className = "name";
  const scientific = document.createElement("i");
  scientific.lang = "la";
  scientific.textContent = candidate.scientific_name;
  name.append(scientific);
  const names = commonNames(language, candidate.common_names);
  if (names.length > 0) {
    const common = document.createElement("small");
    common.textContent = names.slice(0, 2).join(", ");
    name.append(common);
  }
  name.title = [candidate.scientific_name, ...names].join(" · ");
  const share = document.createElement("span");
  share.className = "share";
  share.textContent = percent(language, candidate.probability);
  const track = document.createElement("div");
  track.className = "track";
  const fill = document.createElement("div");
  fill.className = "fill";
  fill.style.width = `${100 * candidate.probability}%`;
  track.append(fill);
  item.append(name, share, track);
  return item;
}

/** Beside the name: what a species is called and its family, or how likely a genus or family is. */
function beside(language: Language, { decision, top: [best], probability }: Prediction): string {
  if (decision === "species") {
    return [...commonNames(language, best.common_names).slice(0, 3), best.family ?? ""].filter(Boolean).join(" · ");
  }
  return probability === null ? "" : percent(language, probability);
}

/** The parts of the page that an answer fills. */
export interface AnswerView {
  readonly whole: HTMLElement;
  readonly verdict: HTMLElement;
  readonly together: HTMLElement;
  readonly winner: HTMLElement;
  readonly names: HTMLElement;
  readonly bars: HTMLElement;
  /** Where a stranger's closest names are, closed until a visitor asks. */
  readonly closest: HTMLElement;
  readonly closestBars: HTMLElement;
  readonly note: HTMLElement;
}

/** @param numPhotos that the answer is for */
export function showAnswer(view: AnswerView, found: Prediction, numPhotos: number, language: Language): void {
  const [verdict, note] = said(found);
  const stranger = isStranger(found);
  const bars = listed(found).map((candidate) => bar(language, candidate));
  view.whole.classList.toggle("unsure", found.taxon === null);
  view.whole.dataset.decision = found.decision;
  view.verdict.textContent = text(language, verdict);
  view.together.textContent = photosTogether(language, numPhotos);
  view.together.hidden = numPhotos < 2;
  view.winner.textContent = found.taxon ?? "";
  view.winner.hidden = found.taxon === null;
  view.names.textContent = beside(language, found);
  view.bars.replaceChildren(...(stranger ? [] : bars));
  view.bars.hidden = stranger;
  view.closestBars.replaceChildren(...(stranger ? bars : []));
  view.closest.hidden = !stranger;
  view.note.textContent = [...(note ? [note] : []), "sureNote" as const].map((key) => text(language, key)).join(" ");
}
