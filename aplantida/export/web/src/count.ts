import { AplantidaError } from "./errors";

/** How many names are wanted. */
export function checkedCount(k: number): number {
  if (Number.isInteger(k) && k >= 1) return k;
  throw new AplantidaError("argument", `k is ${k}; give a whole number of species, 1 or more`);
}
