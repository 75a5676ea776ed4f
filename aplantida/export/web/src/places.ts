/** Where plants grow: regions and countries (ISO 3166-1 codes). */

import type { PlantClass } from "./bundle";
import { AplantidaError } from "./errors";

/** Regions and countries that species are known to live in, sorted. */
export function placesOf(classes: readonly PlantClass[]): string[] {
  const places = new Set<string>();
  for (const { regions, distribution } of classes) {
    for (const place of [...(regions ?? []), ...(distribution ?? [])]) places.add(place);
  }
  return [...places].sort();
}

/** One of the places that are known, or none. */
export function checkPlace(place: unknown, places: readonly string[]): void {
  if (place === null || places.includes(place as string)) return;
  throw new AplantidaError("argument", `the place is ${JSON.stringify(place)}; give one of places, or null`);
}
