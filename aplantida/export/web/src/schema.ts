/**
 * Holding a JSON value against a JSON Schema: the keywords of 2020-12 that the project's own schemas use. A keyword that
 * is not understood is an error, so that no schema can ask for more than is looked at.
 */

export type Schema = { readonly [keyword: string]: any };

const SAYS_NOTHING = new Set(["$schema", "$defs", "title", "description", "then", "else"]);
const LONGEST_SHOWN = 80;

const TYPES: Record<string, (value: unknown) => boolean> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  number: Number.isFinite, // 1e999 is none
  integer: Number.isInteger,
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text;
}

/** `sets.levels[0].level`, step by step. */
function below(path: string, step: string | number): string {
  if (typeof step === "number") return `${path}[${step}]`;
  return path ? `${path}.${step}` : step;
}

/** What speaks against `value`, in the order found: the key, what it holds and what is wanted. */
export function problemsOf(value: unknown, schema: Schema | boolean, root?: Schema, path = ""): string[] {
  if (schema === true) return [];
  if (typeof schema !== "object") throw new Error(`a JSON Schema is ${JSON.stringify(schema)}, which is not understood`);
  const top = root ?? schema;
  const found: string[] = [];
  const say = (holds: boolean, keyword: string) => {
    if (!holds) found.push(`${path} ${shown(value)}, want ${keyword} ${JSON.stringify(schema[keyword])}`.trim());
  };
  const also = (part: Schema | boolean, of: unknown = value, at = path) => found.push(...problemsOf(of, part, top, at));
  const keeps = (part: Schema | boolean) => problemsOf(value, part, top, path).length === 0;
  for (const [keyword, wanted] of Object.entries(schema)) {
    switch (keyword) {
      case "type":
        say([wanted].flat().some((name: string) => TYPES[name](value)), keyword);
        break;
      case "const":
        say(value === wanted, keyword);
        break;
      case "enum":
        say(wanted.includes(value), keyword);
        break;
      case "minimum":
        say(typeof value !== "number" || value >= wanted, keyword);
        break;
      case "maximum":
        say(typeof value !== "number" || value <= wanted, keyword);
        break;
      case "exclusiveMinimum":
        say(typeof value !== "number" || value > wanted, keyword);
        break;
      case "minLength":
        say(typeof value !== "string" || [...value].length >= wanted, keyword);
        break;
      case "pattern":
        say(typeof value !== "string" || new RegExp(wanted, "u").test(value), keyword);
        break;
      case "minItems":
        say(!Array.isArray(value) || value.length >= wanted, keyword);
        break;
      case "maxItems":
        say(!Array.isArray(value) || value.length <= wanted, keyword);
        break;
      case "items":
        if (Array.isArray(value)) value.forEach((item, at) => also(wanted, item, below(path, at)));
        break;
      case "required":
        if (!isObject(value)) break;
        for (const name of wanted) if (!Object.hasOwn(value, name)) found.push(`${below(path, name)} is missing`);
        break;
      case "properties":
        if (!isObject(value)) break;
        for (const [name, part] of Object.entries<Schema>(wanted)) {
          if (Object.hasOwn(value, name)) also(part, value[name], below(path, name));
        }
        break;
      case "additionalProperties":
        if (!isObject(value)) break;
        for (const name of Object.keys(value).filter((key) => !Object.hasOwn(schema.properties ?? {}, key))) {
          if (wanted === false) found.push(`${below(path, name)} is no key that is known`);
          else also(wanted, value[name], below(path, name));
        }
        break;
      case "anyOf":
        say(wanted.some(keeps), keyword);
        break;
      case "allOf":
        for (const part of wanted) also(part);
        break;
      case "if": {
        const part = keeps(wanted) ? schema.then : schema.else;
        if (part !== undefined) also(part);
        break;
      }
      case "$ref":
        also(wanted.replace("#/", "").split("/").reduce((part: Schema, name: string) => part[name], top));
        break;
      default:
        if (!SAYS_NOTHING.has(keyword)) throw new Error(`a JSON Schema asks for ${keyword}, which is not understood`);
    }
  }
  return found;
}
