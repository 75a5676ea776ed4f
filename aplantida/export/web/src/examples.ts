/** A few of the bundle's golden photos to try the page with: freely licensed, credited. */

import type { Classifier } from "./api";

const INDEX = "golden/golden.json";
const FORMAT = "aplantida.golden/1";
const SHOWN = 6;

interface Golden {
  readonly format: string;
  readonly photos: readonly { file: string; scientific_name: string; author: string | null; license_id: string }[];
}

async function golden(classifier: Classifier): Promise<Golden | null> {
  const found: Golden = JSON.parse(new TextDecoder().decode(await classifier.read(INDEX)));
  return found.format === FORMAT ? found : null;
}

/**
 * Fill `place` with one button a photo; photos that cannot be fetched (without a connection, say) are left out.
 *
 * @param label names the plant for people who do not see the photo
 * @param use called with the chosen photo
 */
export async function showExamples(
  place: HTMLElement,
  classifier: Classifier,
  label: (scientificName: string) => string,
  use: (photo: Blob) => void,
): Promise<void> {
  const found = classifier.files.includes(INDEX) ? await golden(classifier) : null;
  for (const photo of found?.photos.slice(0, SHOWN) ?? []) {
    const bytes = await classifier.read(`golden/${photo.file}`).catch(() => null);
    if (!bytes) continue;
    const blob = new Blob([bytes], { type: "image/jpeg" });
    const button = document.createElement("button");
    button.type = "button";
    button.title = photo.author ? `${photo.author}, ${photo.license_id}` : photo.license_id;
    const image = document.createElement("img");
    image.src = URL.createObjectURL(blob);
    image.dataset.species = photo.scientific_name;
    image.alt = label(photo.scientific_name);
    button.append(image);
    button.addEventListener("click", () => use(blob));
    place.append(button);
  }
}

/** Name the plants anew, in another language. */
export function nameExamples(place: HTMLElement, label: (scientificName: string) => string): void {
  for (const image of place.querySelectorAll("img")) image.alt = label(image.dataset.species ?? "");
}
