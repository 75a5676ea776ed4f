/** The page: one photo in, five names out. */

import { load, type Candidate, type Classifier, type Outcome, type Prediction } from "./classifier.js";
import { showCredits } from "./credits-view";
import { showExamples } from "./examples";
import { keepOffline } from "./offline";
import {
  commonNames,
  preferredLanguage,
  rememberLanguage,
  speciesKnown,
  text,
  type Language,
  type TextKey,
} from "./texts";

function element<Kind extends HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as Kind;
}

const drop = element("drop");
const input = element<HTMLInputElement>("photo");
const preview = element<HTMLImageElement>("preview");
const answer = element("answer");
const credits = element<HTMLDetailsElement>("credits");

let language: Language = preferredLanguage();
let classifier: Classifier | undefined;
let prediction: Prediction | undefined;
/** The problem on show, as a text key and a detail, so that it can be said again in the other language. */
let problem: { key: TextKey; detail: string } | undefined;

type View = "loading" | "ready" | "problem" | "result";

function show(view: View): void {
  for (const id of ["loading", "ready", "problem", "result"]) element(id).hidden = id !== view;
  answer.setAttribute("aria-busy", String(view === "loading"));
  credits.hidden = view !== "result";
  document.documentElement.dataset.view = view;
}

function percent(probability: number): string {
  const digits = probability < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: digits }).format(probability);
}

function bar(candidate: Candidate): HTMLLIElement {
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
  share.textContent = percent(candidate.probability);
  const track = document.createElement("div");
  track.className = "track";
  const fill = document.createElement("div");
  fill.className = "fill";
  fill.style.width = `${100 * candidate.probability}%`;
  track.append(fill);
  item.append(name, share, track);
  return item;
}

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

/** What comes closest to a stranger is there for who asks. */
const closest = document.createElement("button");
closest.type = "button";
closest.id = "closest";
element("bars").before(closest);
closest.addEventListener("click", () => (element("bars").hidden = !element("bars").hidden));

function showPrediction(found: Prediction): void {
  const stranger = found.decision === "not_a_plant" || found.decision === "unknown";
  const unsure = found.taxon === null;
  const [best] = found.top;
  answer.classList.toggle("unsure", unsure);
  const [verdict, note] = SAID[found.decision];
  element("verdict").textContent = text(language, verdict);
  element("winner").textContent = found.taxon ?? "";
  element("winner").hidden = unsure;
  const names = [...commonNames(language, best.common_names).slice(0, 3), best.family ?? ""].filter(Boolean).join(" · ");
  element("winner-names").textContent = found.decision === "species" ? names : "";
  closest.hidden = !stranger;
  closest.textContent = text(language, "closest");
  element("bars").hidden = stranger;
  element("bars").replaceChildren(...found.top.map(bar));
  element("note").textContent = [note, "sureNote" as const].map((key) => key && text(language, key)).join(" ").trim();
  show("result");
  offerCredits(found);
}

/** Who is to be credited for what was named: nothing is fetched before a visitor opens it. */
function offerCredits(found: Prediction): void {
  const place = element("credits-list");
  if (!classifier || !credits.open) {
    place.replaceChildren();
    return;
  }
  const names = found.top.map((candidate) => candidate.scientific_name);
  const spoken = language;
  void showCredits(place, classifier, names, spoken, () => prediction === found && language === spoken);
}

function showProblem(key: TextKey, detail = ""): void {
  problem = { key, detail };
  element("problem").textContent = detail ? `${text(language, key)}: ${detail}` : text(language, key);
  show("problem");
}

function showTexts(): void {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll<HTMLElement>("[data-text]")) {
    node.textContent = text(language, node.dataset.text as TextKey);
  }
  const other = element("language");
  other.textContent = language === "es" ? "English" : "Español";
  other.lang = language === "es" ? "en" : "es";
  if (classifier) {
    element("knows").textContent = speciesKnown(language, classifier.scientificNames.length);
    element("model").textContent = `${classifier.name} ${classifier.version}`;
  }
  if (prediction) showPrediction(prediction);
  else if (problem) showProblem(problem.key, problem.detail);
}

function showPreview(photo: Blob): void {
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(photo);
  preview.hidden = false;
  element("invitation").hidden = true;
  element("another").hidden = false;
  drop.classList.add("filled");
}

function hidePreview(): void {
  preview.hidden = true;
  element("invitation").hidden = false;
  element("another").hidden = true;
  drop.classList.remove("filled");
}

let latest = 0;

async function identify(photo: Blob): Promise<void> {
  if (!classifier) return;
  const turn = ++latest;
  prediction = undefined;
  problem = undefined;
  showPreview(photo);
  element("loading-text").textContent = text(language, "looking");
  element("progress").hidden = true;
  element("loading-size").hidden = true;
  show("loading");
  await new Promise((painted) => setTimeout(painted, 30));
  try {
    const found = await classifier.classify(photo, 5);
    if (turn !== latest) return;
    prediction = found;
    showPrediction(found);
  } catch (error) {
    if (turn !== latest) return;
    console.warn(error);
    hidePreview();
    showProblem("unreadable");
  }
}

function firstPhoto(files: FileList | null | undefined): File | undefined {
  return Array.from(files ?? []).find((file) => file.type.startsWith("image/")) ?? files?.[0];
}

function listen(): void {
  const take = (files: FileList | null | undefined) => {
    const photo = firstPhoto(files);
    if (photo) void identify(photo);
  };
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";
  });
  document.addEventListener("paste", (event) => take(event.clipboardData?.files));
  for (const kind of ["dragenter", "dragover"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!(event as DragEvent).relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take(event.dataTransfer?.files);
  });
  credits.addEventListener("toggle", () => {
    if (prediction) offerCredits(prediction);
  });
  element("language").addEventListener("click", () => {
    language = language === "es" ? "en" : "es";
    rememberLanguage(language);
    showTexts();
  });
}

function showProgress(loaded: number, total: number): void {
  element<HTMLProgressElement>("progress").value = total > 0 ? loaded / total : 0;
  const megabytes = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  element("loading-size").textContent = `${megabytes.format(loaded / 1e6)} / ${megabytes.format(total / 1e6)} MB`;
}

async function offerExamples(loaded: Classifier): Promise<void> {
  const photos = element("example-photos");
  const label = (name: string) => `${text(language, "example")}: ${name}`;
  await showExamples(photos, loaded.files, label, (photo) => void identify(photo));
  element("examples").hidden = photos.childElementCount === 0;
}

async function start(): Promise<void> {
  showTexts();
  listen();
  show("loading");
  try {
    classifier = await load("./", { onProgress: showProgress });
  } catch (error) {
    console.error(error);
    showProblem("broken", (error as Error).message);
    return;
  }
  input.disabled = false;
  showTexts();
  show("ready");
  void offerExamples(classifier).catch((error) => console.warn(error));
  const kept = () => {
    element("offline").hidden = false;
    document.documentElement.dataset.offline = "ready";
  };
  const newer = (switchOver: () => void) => {
    element("update").hidden = false;
    element("reload").addEventListener("click", switchOver, { once: true });
  };
  await keepOffline(classifier.digest, kept, newer).catch((error) => console.warn(error));
}

void start();
