/** decision.json, held against the schemas that Python holds it against: evaluation/decision-*.schema.json. */

import { BundleError, type Bundle, type Decision } from "./bundle";
import { problemsOf, type Schema } from "./schema";
import { checkGate } from "./stranger";

/** By format; put in by build.mjs. */
declare const DECISION_SCHEMAS: Readonly<Record<string, Schema>>;

const FILE = "decision.json";
const LEVEL_DECIMALS = 6; // in which a level is told from others

function refused(text: string): BundleError {
  return new BundleError(`${FILE}: ${text}`, FILE);
}

function checkLevels({ sets }: Decision): void {
  for (const [at, { level }] of (sets?.levels ?? []).entries()) {
    const key = `sets.levels[${at}].level ${level}`;
    if (Number(level.toFixed(LEVEL_DECIMALS)) !== level) throw refused(`${key}, want at most ${LEVEL_DECIMALS} decimals`);
    if (at > 0 && level <= sets.levels[at - 1].level) throw refused(`${key}, want rising levels`);
  }
}

/** The decision of a bundle; refused, with the key, where Python refuses it. */
export async function readDecision(bundle: Bundle): Promise<Decision> {
  const value = await bundle.readJson(FILE);
  const formats = Object.keys(DECISION_SCHEMAS);
  if (!formats.includes(value?.format)) {
    const wanted = formats.map((format) => JSON.stringify(format)).join(" or ");
    throw refused(`format ${JSON.stringify(value?.format)}, want ${wanted}`);
  }
  const problems = problemsOf(value, DECISION_SCHEMAS[value.format]);
  if (problems.length > 0) throw refused(problems.find((text) => !text.endsWith(" is missing")) ?? problems[0]);
  checkLevels(value);
  for (const name of ["plant", "known"] as const) {
    const gate = value.strangers?.[name];
    if (gate) checkGate(gate, `strangers.${name}`);
  }
  return value;
}
