/** The interface's words: `t("key", {n})`. A catalogue's value is a text with {holes}, or one text per plural form. */

import { signal } from "@preact/signals";
import en from "./en";

type Plural = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };
export type Key = keyof typeof en;
export type Catalogue = Record<Key, string | Plural>;

export const LOCALES = { en: "English", de: "Deutsch", es: "Español", ar: "العربية" } as const;
export type Locale = keyof typeof LOCALES;
const RTL = new Set<Locale>(["ar"]);

const OTHERS: Record<Exclude<Locale, "en">, () => Promise<{ default: Catalogue }>> = {
  de: () => import("./de"),
  es: () => import("./es"),
  ar: () => import("./ar"),
};

export const locale = signal<Locale>("en");
let catalogue: Catalogue = en;
let tag = "en"; // with the person's region: how they write dates and numbers
let plurals = new Intl.PluralRules("en");

export async function speak(wanted: Locale): Promise<void> {
  catalogue = wanted === "en" ? en : (await OTHERS[wanted]()).default;
  plurals = new Intl.PluralRules(wanted);
  tag = navigator.languages.find((one) => one.startsWith(wanted)) ?? wanted;
  formats.clear();
  locale.value = wanted;
  document.documentElement.lang = wanted;
  document.documentElement.dir = RTL.has(wanted) ? "rtl" : "ltr";
}

/** The first of the person's languages that we have. */
export function preferred(): Locale {
  const found = navigator.languages.map((one) => one.slice(0, 2)).find((one) => one in LOCALES);
  return (found as Locale | undefined) ?? "en";
}

export function t(key: Key, holes: Record<string, string | number> = {}): string {
  void locale.value; // whoever shows it is drawn again when the language changes
  const found = catalogue[key];
  return fill(typeof found === "string" ? found : (found[plurals.select(Number(holes.n ?? 0))] ?? found.other), holes);
}

export function fill(text: string, holes: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = holes[name];
    return typeof value === "number" ? number(value) : (value ?? "");
  });
}

/** The text of a key as it stands in the catalogue, for who fills it elsewhere. */
export function entry(key: Key): string | Plural {
  void locale.value;
  return catalogue[key];
}

/** Whether a key exists: codes of refusals and notices become words where there are some. */
export function has(key: string): key is Key & string {
  return key in en;
}

const formats = new Map<string, Intl.DateTimeFormat>();

export function date(value: Date, options: Intl.DateTimeFormatOptions): string {
  void locale.value;
  const key = JSON.stringify(options);
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(tag, options);
    formats.set(key, format);
  }
  return format.format(value);
}

export function number(value: number): string {
  void locale.value;
  return new Intl.NumberFormat(tag).format(value);
}

export function relative(value: number, unit: Intl.RelativeTimeFormatUnit): string {
  return new Intl.RelativeTimeFormat(locale.value, { numeric: "auto" }).format(value, unit);
}

export function list(items: string[]): string {
  return new Intl.ListFormat(locale.value, { style: "long", type: "conjunction" }).format(items);
}
