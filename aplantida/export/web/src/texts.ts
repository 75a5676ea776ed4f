/** What a visitor reads, in the languages of the page. */

import { remember, remembered } from "./memory";

export type Language = "en" | "es";

const ENGLISH = {
  title: "What plant is this?",
  lead: "Give me a photo of a leaf, a flower or the whole plant, and I will tell you what it may be.",
  choose: "Choose or take a photo",
  hint: "or drop it here, or paste it",
  several: "Several photos of one plant are looked at together",
  where: "Where does it grow?",
  anywhere: "I do not say",
  countries: "Countries",
  regions: "Regions",
  another: "Another photo",
  loading: "Fetching the model, once only…",
  ready: "Ready. Choose a photo.",
  offlineReady: "Works offline",
  privacy: "Your photo never leaves this device: the plant is named here, in your browser.",
  credits: "Photo credits",
  license: "Model license",
  thirdParties: "Software by others",
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
  genus: "Probably of the genus",
  family: "Probably of the family",
  oneOf: "One of these",
  oneOfNote: "These few together are likely enough; none of them alone is.",
  perhaps: "Perhaps this one",
  perhapsNote: "It is the likeliest by far, yet not likely enough to be named.",
  closest: "What comes closest, all the same",
  unreadable: "I cannot read this photo: the file is damaged.",
  unsupported: "I cannot read this kind of file. JPEG, PNG and WebP work.",
  tooSmall: "This photo is too small to show a plant.",
  tooLarge: "This photo is too large for me: over 100 million pixels.",
  looked: "Something went wrong while I looked at the photo. Try again.",
  waiting: "I have your photo and look at it as soon as the model is here…",
  broken: "The model could not be loaded",
  offlineNow: "I cannot fetch the model: there is no connection, or the server does not answer.",
  refused: "I cannot fetch the model: the server does not give one of its files.",
  notWhole: "A file of the model is damaged, or this site is just being updated. I will keep trying.",
  forbidden: "This site forbids WebAssembly, which I need. Whoever runs it can allow it.",
  tooOld: "This browser cannot run the model. A newer one can.",
  detail: "For whoever looks after this site",
  retry: "Try again",
  repair: "Repair",
  repairNote: "Repair removes what is kept of this page on your device, and fetches it anew.",
  noRoom: "There is no room on this device to keep the model: it works with a connection only.",
  notKept: "The model could not be kept on this device: for now it works with a connection only.",
  notRenewed: "The newer model could not be kept on this device: without a connection the one before is used.",
  examples: "No photo at hand? Try one of these:",
  example: "Example photo",
};

export type TextKey = keyof typeof ENGLISH;

const SPANISH: Record<TextKey, string> = {
  title: "¿Qué planta es?",
  lead: "Dame una foto de una hoja, una flor o la planta entera y te diré cuál puede ser.",
  choose: "Elige o haz una foto",
  hint: "o suéltala aquí, o pégala",
  several: "Varias fotos de una misma planta se miran juntas",
  where: "¿Dónde crece?",
  anywhere: "No lo digo",
  countries: "Países",
  regions: "Regiones",
  another: "Otra foto",
  loading: "Descargando el modelo, solo esta vez…",
  ready: "Listo. Elige una foto.",
  offlineReady: "Funciona sin conexión",
  privacy: "Tu foto no sale de este dispositivo: la planta se reconoce aquí, en tu navegador.",
  credits: "Autores de las fotos",
  license: "Licencia del modelo",
  thirdParties: "Software de otros",
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
  genus: "Probablemente del género",
  family: "Probablemente de la familia",
  oneOf: "Una de estas",
  oneOfNote: "Entre estas pocas está con bastante probabilidad; ninguna por sí sola lo es.",
  perhaps: "Quizá esta",
  perhapsNote: "Es la más probable con diferencia, pero no tanto como para darle el nombre.",
  closest: "Lo que más se parece, de todos modos",
  unreadable: "No puedo leer esta foto: el archivo está dañado.",
  unsupported: "No puedo leer este tipo de archivo. JPEG, PNG y WebP funcionan.",
  tooSmall: "Esta foto es demasiado pequeña para mostrar una planta.",
  tooLarge: "Esta foto es demasiado grande para mí: más de 100 millones de píxeles.",
  looked: "Algo falló mientras miraba la foto. Prueba otra vez.",
  waiting: "Tengo tu foto y la miraré en cuanto llegue el modelo…",
  broken: "No se pudo cargar el modelo",
  offlineNow: "No puedo descargar el modelo: no hay conexión o el servidor no responde.",
  refused: "No puedo descargar el modelo: el servidor no entrega uno de sus archivos.",
  notWhole: "Un archivo del modelo está dañado, o este sitio se está actualizando. Seguiré probando.",
  forbidden: "Este sitio prohíbe WebAssembly, que necesito. Quien lo administra puede permitirlo.",
  tooOld: "Este navegador no puede ejecutar el modelo. Uno más nuevo, sí.",
  detail: "Para quien cuida de este sitio",
  retry: "Probar otra vez",
  repair: "Reparar",
  repairNote: "Reparar borra lo que esta página guarda en tu dispositivo y lo descarga de nuevo.",
  noRoom: "No hay sitio en este dispositivo para guardar el modelo: funciona solo con conexión.",
  notKept: "No se pudo guardar el modelo en este dispositivo: por ahora funciona solo con conexión.",
  notRenewed: "El modelo más nuevo no se pudo guardar en este dispositivo: sin conexión se usa el anterior.",
  examples: "¿Sin foto a mano? Prueba una de estas:",
  example: "Foto de ejemplo",
};

const TEXTS: Record<Language, Record<TextKey, string>> = { en: ENGLISH, es: SPANISH };
const STORED = "aplantida.language";

/** The language chosen before, else the browser's, else English. */
export function preferredLanguage(): Language {
  const wanted = remembered(STORED) ?? navigator.language;
  return wanted.toLowerCase().startsWith("es") ? "es" : "en";
}

export function rememberLanguage(language: Language): void {
  remember(STORED, language);
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

/** Said of a model that names the plants of one region alone. */
export function onlyOf(language: Language, region: string): string {
  return language === "es"
    ? `Solo plantas de ${region}: a las de otros sitios no les sé dar nombre.`
    : `Plants of ${region} only: those of other places I cannot name.`;
}

export function speciesKnown(language: Language, count: number): string {
  const number = new Intl.NumberFormat(language).format(count);
  return language === "es" ? `Conozco ${number} especies.` : `I know ${number} species.`;
}

export function photosTogether(language: Language, count: number): string {
  const number = new Intl.NumberFormat(language).format(count);
  return language === "es" ? `De ${number} fotos de una planta` : `From ${number} photos of one plant`;
}

/** Which file of which artifact lists every photo. */
export function listedIn(language: Language, file: string, artifact: string): string {
  return language === "es"
    ? `${file} del informe de licencias del modelo (license_report ${artifact})`
    : `${file} of the model's license report (license_report ${artifact})`;
}
