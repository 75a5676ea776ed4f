/** Where the plant grows, if a visitor says so: countries by their names in the visitor's language, regions by theirs. */

import { remember, remembered } from "./memory";
import { text, type Language } from "./texts";

const STORED = "aplantida.place";
const COUNTRY = /^[A-Z]{2}$/;

/** The place that was chosen before, if this model knows it. */
export function rememberedPlace(places: readonly string[]): string | null {
  return places.find((place) => place === remembered(STORED)) ?? null;
}

export function rememberPlace(place: string | null): void {
  remember(STORED, place ?? "");
}

function option(value: string, name: string): HTMLOptionElement {
  return Object.assign(document.createElement("option"), { value, textContent: name });
}

function group(label: string, named: readonly (readonly [string, string])[], language: Language): HTMLElement[] {
  if (named.length === 0) return [];
  const found = Object.assign(document.createElement("optgroup"), { label });
  const sorted = [...named].sort(([, one], [, other]) => one.localeCompare(other, language));
  found.append(...sorted.map(([place, name]) => option(place, name)));
  return [found];
}

/** The country's name; the code where it is the name of none. */
function countryNames(language: Language): (code: string) => string {
  const names = new Intl.DisplayNames([language], { type: "region", fallback: "code" });
  return (code) => names.of(code) ?? code;
}

/** Fill the list with the places of a model, in a language. */
export function showPlaces(
  list: HTMLSelectElement,
  places: readonly string[],
  language: Language,
  chosen: string | null,
): void {
  const nameOf = countryNames(language);
  const countries = places.filter((place) => COUNTRY.test(place)).map((code) => [code, nameOf(code)] as const);
  const regions = places.filter((place) => !COUNTRY.test(place)).map((name) => [name, name] as const);
  list.replaceChildren(
    option("", text(language, "anywhere")),
    ...group(text(language, "countries"), countries, language),
    ...group(text(language, "regions"), regions, language),
  );
  list.value = chosen ?? "";
}
