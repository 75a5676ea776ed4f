/** What a visitor reads, in the languages of the page. */

export type Language = "en" | "es";

const ENGLISH = {
  title: "What plant is this?",
  lead: "Give me a photo of a leaf, a flower or the whole plant, and I will tell you what it may be.",
  choose: "Choose or take a photo",
  hint: "or drop it here, or paste it",
  another: "Another photo",
  loading: "Fetching the model, once only…",
  ready: "Ready. Choose a photo.",
  offlineReady: "Works offline",
  privacy: "Your photo never leaves this device: the plant is named here, in your browser.",
  credits: "Photo credits",
  license: "Model license",
  speciesCredits: "Whose photos I learned these plants from",
  authorNotGiven: "author not given",
  noCredits: "I learned it from no photo that is to be credited.",
  creditsUnread: "The authors cannot be read now. Try again with a connection.",
  everyPhoto: "Every photo, with its address:",
  update: "A newer model is ready.",
  reload: "Reload",
  looking: "Looking…",
  sure: "Likely",
  unsure: "I am not sure",
  unsureNote: "None of these is likely enough to be named. Try closer, sharper, with a flower or a leaf in the middle.",
  sureNote: "Never eat or use a plant because of this answer alone.",
  notAPlant: "I see no plant here",
  notAPlantNote: "Try a photo with one plant in the middle: a leaf, a flower, the whole plant.",
  unknownPlant: "A plant I do not know",
  unknownPlantNote: "It looks like none of the species I have learned.",
  genus: "Probably one of this genus",
  family: "Probably one of this family",
  oneOf: "One of these",
  oneOfNote: "These few together are likely enough; none of them alone is.",
  closest: "What comes closest, all the same",
  unreadable: "I cannot read this file as a photo. JPEG, PNG and WebP work.",
  broken: "The model could not be loaded",
  examples: "No photo at hand? Try one of these:",
  example: "Example photo",
};

export type TextKey = keyof typeof ENGLISH;

const SPANISH: Record<TextKey, string> = {
  title: "¿Qué planta es?",
  lead: "Dame una foto de una hoja, una flor o la planta entera y te diré cuál puede ser.",
  choose: "Elige o haz una foto",
  hint: "o suéltala aquí, o pégala",
  another: "Otra foto",
  loading: "Descargando el modelo, solo esta vez…",
  ready: "Listo. Elige una foto.",
  offlineReady: "Funciona sin conexión",
  privacy: "Tu foto no sale de este dispositivo: la planta se reconoce aquí, en tu navegador.",
  credits: "Autores de las fotos",
  license: "Licencia del modelo",
  speciesCredits: "De quién son las fotos con las que aprendí estas plantas",
  authorNotGiven: "autor no indicado",
  noCredits: "No la aprendí de ninguna foto que haya que acreditar.",
  creditsUnread: "Ahora no se pueden leer los autores. Prueba otra vez con conexión.",
  everyPhoto: "Cada foto, con su dirección:",
  update: "Hay un modelo más nuevo.",
  reload: "Recargar",
  looking: "Mirando…",
  sure: "Probablemente",
  unsure: "No estoy seguro",
  unsureNote: "Ninguna es bastante probable. Prueba más cerca y con más nitidez, con una flor o una hoja en el centro.",
  sureNote: "No comas ni uses nunca una planta fiándote solo de esta respuesta.",
  notAPlant: "Aquí no veo ninguna planta",
  notAPlantNote: "Prueba con una foto con una sola planta en el centro: una hoja, una flor, la planta entera.",
  unknownPlant: "Una planta que no conozco",
  unknownPlantNote: "No se parece a ninguna de las especies que he aprendido.",
  genus: "Probablemente de este género",
  family: "Probablemente de esta familia",
  oneOf: "Una de estas",
  oneOfNote: "Entre estas pocas está con bastante probabilidad; ninguna por sí sola lo es.",
  closest: "Lo que más se parece, de todos modos",
  unreadable: "No puedo leer este archivo como foto. JPEG, PNG y WebP funcionan.",
  broken: "No se pudo cargar el modelo",
  examples: "¿Sin foto a mano? Prueba una de estas:",
  example: "Foto de ejemplo",
};

const TEXTS: Record<Language, Record<TextKey, string>> = { en: ENGLISH, es: SPANISH };
const STORED = "aplantida.language";

/** The language chosen before, else the browser's, else English. */
export function preferredLanguage(): Language {
  let wanted: string = navigator.language;
  try {
    wanted = localStorage.getItem(STORED) ?? wanted;
  } catch {
    // A browser that keeps nothing for this page still has a language.
  }
  return wanted.toLowerCase().startsWith("es") ? "es" : "en";
}

export function rememberLanguage(language: Language): void {
  try {
    localStorage.setItem(STORED, language);
  } catch {
    // The choice then lasts as long as the page.
  }
}

export function text(language: Language, key: TextKey): string {
  return TEXTS[language][key];
}

/**
 * The common names to show, of names tagged like "es:madroño": those of `language`, else untagged ones, else all.
 */
export function commonNames(language: Language, names: readonly string[]): string[] {
  const tagged = names.map((name) => {
    const [, tag, rest] = /^([a-z]{2,3}(?:-[A-Za-z]+)?):(.+)$/.exec(name) ?? [name, "", name];
    return { tag: tag.split("-")[0], name: rest };
  });
  const chosen = [language, ""].map((tag) => tagged.filter((item) => item.tag === tag)).find((list) => list.length > 0);
  return (chosen ?? tagged).map((item) => item.name);
}

export function speciesKnown(language: Language, count: number): string {
  const number = new Intl.NumberFormat(language).format(count);
  return language === "es" ? `Conozco ${number} especies.` : `I know ${number} species.`;
}

/** Which file of which artifact lists every photo. */
export function listedIn(language: Language, file: string, artifact: string): string {
  return language === "es"
    ? `${file} del informe de licencias del modelo (license_report ${artifact})`
    : `${file} of the model's license report (license_report ${artifact})`;
}
