/** The page: one photo in, five names out. */

import type { Candidate, Classifier, Prediction } from "./api";
import { showCredits } from "./credits-view";
import { showExamples } from "./examples";
import { keepOffline, type OfflineNews } from "./offline";
import { loadProblem, passes, photoProblem, type Problem } from "./problem";
import { startClassifier } from "./start-classifier";
import {
  commonNames,
  preferredLanguage,
  rememberLanguage,
  speciesKnown,
  text,
  type Language,
  type TextKey,
} from "./texts";
import { clearFolder } from "./tidy";

/** The page's own folder. */
const FOLDER = new URL("./", location.href).href.replace(/[?#].*$/, "");
/** Waits before the model is asked for again by itself, milliseconds. */
const RETRIES = [10_000, 30_000, 60_000];
const PERSISTED = "aplantida.persist";
const SWITCHED = "aplantida.switched";

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
let problem: Problem | undefined;
/** A photo that was given before the model was here. */
let early: Blob | undefined;
/** Ends the look at the photo before. */
let looking = new AbortController();
/** What is said under the photo about the next visits. */
let keeping: TextKey | undefined;

type View = "loading" | "ready" | "problem" | "result";

function show(view: View): void {
  for (const id of ["loading", "ready", "problem", "result"]) element(id).hidden = id !== view;
  answer.setAttribute("aria-busy", String(view === "loading"));
  credits.hidden = view !== "result";
  element("stuck").hidden = true;
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

function showPrediction(found: Prediction): void {
  const unsure = found.decision === "unsure";
  const [best] = found.top;
  answer.classList.toggle("unsure", unsure);
  element("verdict").textContent = text(language, unsure ? "unsure" : "sure");
  element("winner").textContent = unsure ? "" : best.scientific_name;
  element("winner").hidden = unsure;
  const names = [...commonNames(language, best.common_names).slice(0, 3), best.family ?? ""].filter(Boolean).join(" · ");
  element("winner-names").textContent = unsure ? "" : names;
  element("bars").replaceChildren(...found.top.map(bar));
  element("note").textContent = text(language, unsure ? "unsureNote" : "sureNote");
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

function showProblem(found: Problem): void {
  problem = found;
  element("problem-text").textContent = text(language, found.key);
  element("problem-actions").hidden = !found.grave;
  element("problem-detail").hidden = !found.detail;
  element("problem-words").textContent = found.detail;
  show("problem");
}

function showKeeping(key: TextKey): void {
  keeping = key;
  const place = element("offline");
  place.textContent = text(language, key);
  place.classList.toggle("badge", key === "offlineReady");
  place.hidden = false;
  document.documentElement.dataset.offline = key === "offlineReady" ? "ready" : "no";
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
  else if (problem) showProblem(problem);
  if (keeping) showKeeping(keeping);
  if (early) element("loading-text").textContent = text(language, "waiting");
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

/** Look at a photo now, or as soon as the model is here; the photo before is looked at no longer. */
async function identify(photo: Blob): Promise<void> {
  if (!classifier) {
    early = photo;
    element("loading-text").textContent = text(language, "waiting");
    return;
  }
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  prediction = problem = undefined;
  element("loading-text").textContent = text(language, "looking");
  element("progress").hidden = true;
  element("loading-size").hidden = true;
  show("loading");
  try {
    const found = await classifier.classify(photo, 5, { signal, onPreview: showPreview });
    prediction = found;
    showPrediction(found);
  } catch (error) {
    if (signal.aborted) return;
    console.warn(error);
    hidePreview();
    showProblem(photoProblem(error as Error));
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
  element("retry").addEventListener("click", () => location.reload());
  element("repair").addEventListener("click", () => void clearFolder(FOLDER).finally(() => location.reload()));
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
  await showExamples(photos, loaded, label, (photo) => void identify(photo));
  element("examples").hidden = photos.childElementCount === 0;
}

/** Ask once, ever, that the browser does not throw away what is kept. */
async function askToPersist(): Promise<void> {
  try {
    if (localStorage.getItem(PERSISTED) || (await navigator.storage?.persisted?.())) return;
    localStorage.setItem(PERSISTED, "asked");
    await navigator.storage?.persist?.();
  } catch (error) {
    console.warn(error);
  }
}

/** @param digest of the edition that runs; null when none does, and a newer one is then taken without asking */
async function look(digest: string | null): Promise<void> {
  const news: OfflineNews = {
    kept: () => showKeeping("offlineReady"),
    trouble: (kind) => showKeeping(kind === "quota" ? "noRoom" : "notKept"),
    newer: (switchOver) => {
      element("update").hidden = false;
      element("reload").onclick = switchOver;
      if (digest !== null || sessionStorage.getItem(SWITCHED)) return;
      sessionStorage.setItem(SWITCHED, "yes");
      switchOver();
    },
  };
  await keepOffline(FOLDER, digest, digest === null ? { ...news, kept: () => undefined } : news);
}

function begin(loaded: Classifier): void {
  classifier = loaded;
  problem = undefined;
  input.disabled = false;
  showTexts();
  const photo = early;
  early = undefined;
  if (photo) void identify(photo);
  else show("ready");
  void offerExamples(loaded).catch((error) => console.warn(error));
  void askToPersist();
}

async function attempt(): Promise<void> {
  element("loading-text").textContent = text(language, early ? "waiting" : "loading");
  show("loading");
  begin(await startClassifier(FOLDER, { onProgress: showProgress }));
}

/** Until the model is here: again after a while, and at once when the connection is back. */
async function start(): Promise<void> {
  showTexts();
  listen();
  input.disabled = false;
  let looked: Promise<void> | undefined;
  for (const wait of [...RETRIES, null]) {
    try {
      await attempt();
      await look(classifier!.digest);
      return;
    } catch (error) {
      if (classifier) {
        console.warn(error);
        return showKeeping("notKept");
      }
      console.error(error);
      input.disabled = true;
      showProblem(loadProblem(error as Error));
      looked ??= look(null).catch((problem) => console.warn(problem));
      if (wait === null || !passes(error as Error)) return;
      await connected(wait);
    }
  }
}

function connected(wait: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, wait);
    addEventListener("online", () => resolve(), { once: true });
  });
}

void start();
