/** The page: one photo of a plant in, or several; its name out, or what else can be said. */

import { ASKED, isStranger, listed, showAnswer, type AnswerView } from "./answer-view";
import type { Classifier, PhotoOutputs, Prediction } from "./api";
import { showCredits } from "./credits-view";
import { nameExamples, showExamples } from "./examples";
import { folderOf } from "./folder";
import { keepOffline, type OfflineNews } from "./offline";
import { waitAgain } from "./patience";
import { hearPhotos } from "./photo-input";
import { rememberedPlace, rememberPlace, showPlaces } from "./place-choice";
import { Previews } from "./previews";
import { loadProblem, passes, photoProblem, type Problem } from "./problem";
import { startClassifier } from "./start-classifier";
import { onlyOf, preferredLanguage, rememberLanguage, speciesKnown, text, type Language, type TextKey } from "./texts";
import { clearFolder } from "./tidy";

/** The page's own folder. */
const FOLDER = folderOf("./");
const PERSISTED = "aplantida.persist";
const SWITCHED = "aplantida.switched";

function element<Kind extends HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as Kind;
}

const drop = element("drop");
const input = element<HTMLInputElement>("photo");
const answer = element("answer");
const credits = element<HTMLDetailsElement>("credits");
const closest = element<HTMLDetailsElement>("closest");
const where = element<HTMLSelectElement>("place");
const answerView: AnswerView = {
  whole: answer,
  verdict: element("verdict"),
  together: element("together"),
  winner: element("winner"),
  names: element("winner-names"),
  bars: element("bars"),
  closest,
  closestBars: element("closest-bars"),
  note: element("note"),
};

const previews = new Previews({
  frame: drop,
  first: element<HTMLImageElement>("preview"),
  others: element("others"),
  invitation: element("invitation"),
  another: element("another"),
});

let language: Language = preferredLanguage();
let classifier: Classifier | undefined;
let prediction: Prediction | undefined;
let problem: Problem | undefined;
/** The photos of one plant that were given last: looked at now, or when the model is here. */
let given: readonly Blob[] = [];
/** What the model makes of them: for another place the answer is another, the photos are not looked at again. */
let outputs: readonly PhotoOutputs[] = [];
/** Where it grows, if the visitor says. */
let place: string | null = null;
/** Ends the look at the photo before. */
let looking = new AbortController();
/** What is said under the photo about the next visits. */
let keeping: TextKey | undefined;

type View = "loading" | "ready" | "problem" | "result";

function show(view: View): void {
  for (const id of ["loading", "ready", "problem", "result"]) element(id).hidden = id !== view;
  answer.setAttribute("aria-busy", String(view === "loading"));
  if (view !== "result") credits.hidden = true;
  element("stuck").hidden = true;
  document.documentElement.dataset.view = view;
}

function showPrediction(found: Prediction): void {
  showAnswer(answerView, found, given.length, language);
  show("result");
  offerCredits(found);
}

/** Who is to be credited for what is named: nothing is fetched before a visitor opens it. */
function offerCredits(found: Prediction): void {
  credits.hidden = isStranger(found) && !closest.open;
  const list = element("credits-list");
  if (!classifier || !credits.open || credits.hidden) {
    list.replaceChildren();
    return;
  }
  const names = listed(found).map((candidate) => candidate.scientific_name);
  const spoken = language;
  void showCredits(list, classifier, names, spoken, () => prediction === found && language === spoken);
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
  document.documentElement.dataset.offline = ["offlineReady", "notRenewed"].includes(key) ? "ready" : "no";
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
    showPlaces(where, classifier.places, language, place);
    element("knows").textContent = speciesKnown(language, classifier.scientificNames.length);
    element("model").textContent = `${classifier.name} ${classifier.version}`;
    element("only").hidden = classifier.region === null;
    element("only").textContent = classifier.region === null ? "" : onlyOf(language, classifier.region);
  }
  if (prediction) showPrediction(prediction);
  else if (problem) showProblem(problem);
  if (keeping) showKeeping(keeping);
  nameExamples(element("example-photos"), exampleLabel);
}

function exampleLabel(scientificName: string): string {
  return `${text(language, "example")}: ${scientificName}`;
}

/** What is being done, to be said in the other language too. */
function showDoing(key: TextKey): void {
  const place = element("loading-text");
  place.dataset.text = key;
  place.textContent = text(language, key);
}

/** Look at a plant's photos now, or as soon as the model is here; those before are looked at no longer. */
async function identify(photos: readonly Blob[]): Promise<void> {
  given = photos;
  if (!classifier) {
    showDoing("waiting");
    return;
  }
  looking.abort();
  looking = new AbortController();
  const { signal } = looking;
  prediction = problem = undefined;
  outputs = [];
  showDoing("looking");
  closest.open = false;
  element("progress").hidden = true;
  element("loading-size").hidden = true;
  show("loading");
  try {
    outputs = await classifier.outputs(photos, { signal, onPreview: (photo, at) => previews.show(photo, at) });
    await answerAnew(signal);
  } catch (error) {
    if (signal.aborted) return;
    console.warn(error);
    previews.hide();
    showProblem(photoProblem(error as Error));
  }
}

/** What is said of the photos that were looked at, for the place that is chosen now. */
async function answerAnew(signal: AbortSignal): Promise<void> {
  const found = await classifier!.decide(outputs, ASKED, { signal, place });
  prediction = found;
  showPrediction(found);
}

/** The same photos, now that it is known where the plant grows; those still looked at are answered for it anyway. */
function choosePlace(): void {
  place = where.value || null;
  rememberPlace(place);
  const { signal } = looking;
  if (outputs.length > 0) void answerAnew(signal).catch((error) => signal.aborted || console.warn(error));
}

function listen(): void {
  hearPhotos(input, drop, (photos) => void identify(photos));
  for (const part of [credits, closest]) {
    part.addEventListener("toggle", () => {
      if (prediction) offerCredits(prediction);
    });
  }
  where.addEventListener("change", choosePlace);
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
  await showExamples(photos, loaded, exampleLabel, (photo) => void identify([photo]));
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
    outdated: () => showKeeping("notRenewed"),
    newer: (switchOver) => {
      element("update").hidden = false;
      element("reload").onclick = switchOver;
      if (digest !== null || sessionStorage.getItem(SWITCHED)) return;
      sessionStorage.setItem(SWITCHED, "yes");
      switchOver();
    },
  };
  await keepOffline(FOLDER, digest, digest === null ? { ...news, kept: () => undefined, outdated: () => undefined } : news);
}

function begin(loaded: Classifier): void {
  classifier = loaded;
  problem = undefined;
  input.disabled = false;
  place = rememberedPlace(loaded.places);
  element("where").hidden = loaded.places.length === 0;
  showTexts();
  if (given.length > 0) void identify(given);
  else show("ready");
  void offerExamples(loaded).catch((error) => console.warn(error));
  void askToPersist();
}

async function attempt(): Promise<void> {
  problem = undefined;
  showDoing(given.length > 0 ? "waiting" : "loading");
  show("loading");
  begin(await startClassifier(FOLDER, { onProgress: showProgress }));
}

/** Until the model is here: again after a while, and at once when the connection is back. */
async function start(): Promise<void> {
  showTexts();
  listen();
  input.disabled = false;
  let looked: Promise<void> | undefined;
  for (let tries = 1; ; tries++) {
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
      if (!passes(error as Error)) return;
      await waitAgain(tries, (error as { code?: string }).code === "altered", FOLDER);
    }
  }
}

void start();
