/** The credits of the species of an answer, read when a visitor opens them. */

import type { Classifier, CreditGroup, FullList, SpeciesCredits } from "./api";
import { listedIn, text, type Language, type TextKey } from "./texts";

function link(url: string, words: string): HTMLElement {
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.rel = "noopener";
  anchor.textContent = words;
  return anchor;
}

function paragraph(...words: (string | Node)[]): HTMLElement {
  const line = document.createElement("p");
  line.append(...words);
  return line;
}

function group(language: Language, { license, licenseUrl, source, authors }: CreditGroup): HTMLElement {
  const names = authors.map(({ name, photos }) => {
    const who = name ?? text(language, "authorNotGiven");
    return photos > 1 ? `${who} (${new Intl.NumberFormat(language).format(photos)})` : who;
  });
  const item = document.createElement("li");
  item.append(`${names.join(", ")}: `, licenseUrl ? link(licenseUrl, license) : license, source ? `, ${source}` : "");
  return item;
}

function species(language: Language, name: string, credits: SpeciesCredits | TextKey): HTMLElement[] {
  const title = document.createElement("h3");
  title.lang = "la";
  title.textContent = name;
  if (typeof credits === "string") return [title, paragraph(text(language, credits))];
  const list = document.createElement("ul");
  list.append(...credits.groups.map((one) => group(language, one)));
  return [title, list];
}

function whereListed(language: Language, { url, file, license_report }: FullList): HTMLElement {
  const where = url ? link(url, url) : listedIn(language, file, license_report.slice(0, 12));
  return paragraph(`${text(language, "everyPhoto")} `, where);
}

/**
 * Fill `place` with the credits of these species; it stays as it is when `wanted` says that they no longer are.
 */
export async function showCredits(
  place: HTMLElement,
  classifier: Classifier,
  names: readonly string[],
  language: Language,
  wanted: () => boolean,
): Promise<void> {
  const read = async (name: string): Promise<SpeciesCredits | TextKey> => {
    try {
      return (await classifier.credits(name)) ?? "noCredits";
    } catch (error) {
      console.warn(error);
      return "creditsUnread";
    }
  };
  const found = await Promise.all(names.map(read));
  if (!wanted()) return;
  const known = found.filter((credits) => typeof credits !== "string");
  const last = known.slice(0, 1).map(({ fullList }) => whereListed(language, fullList));
  place.replaceChildren(...names.flatMap((name, at) => species(language, name, found[at])), ...last);
}
