/** How it looks here, on this device: kept in localStorage, for it must be known before the store is open. */

import { effect, signal } from "@preact/signals";
import { LOCALES, type Locale, preferred, speak } from "../i18n/i18n";

export interface Look {
  theme: "system" | "light" | "dark";
  contrast: boolean;
  textSize: number; // percent
  locale: Locale | "system";
  enterSends: boolean;
  autoDownload: boolean;
  notify: boolean;
  askedNotify: boolean; // whether we asked, so that we do not ask again
  askedInstall: boolean;
}

const KEY = "tidings.look";
const DEFAULT: Look = {
  theme: "system",
  contrast: false,
  textSize: 100,
  locale: "system",
  enterSends: matchMedia("(hover: hover) and (pointer: fine)").matches,
  autoDownload: true,
  notify: false,
  askedNotify: false,
  askedInstall: false,
};

function load(): Look {
  try {
    return { ...DEFAULT, ...(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Look>) };
  } catch {
    return DEFAULT;
  }
}

export const look = signal<Look>(load());

export function setLook(fields: Partial<Look>): void {
  look.value = { ...look.value, ...fields };
  localStorage.setItem(KEY, JSON.stringify(look.value));
}

/** Applied from now on. */
export async function applyLook(): Promise<void> {
  effect(() => {
    const root = document.documentElement;
    const { theme, contrast, textSize } = look.value;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    if (contrast) root.dataset.contrast = "more";
    else delete root.dataset.contrast;
    root.style.fontSize = `${textSize}%`;
  });
  const wanted = look.value.locale;
  await speak(wanted !== "system" && wanted in LOCALES ? wanted : preferred());
}
