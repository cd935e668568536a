/** Message text as elements: links, *bold*, _italic_, ~struck~, `code`, mentions. Never parsed as markup. */

import type { ComponentChildren } from "preact";
import { people } from "../engine/state";
import { personName } from "./format";
import { MARKS } from "./marks";

const LINK = /\bhttps?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}]/gi;
const ELEMENTS = Object.entries(MARKS) as [keyof typeof MARKS, RegExp][];

export function Rich({ text, mentions = [] }: { text: string; mentions?: string[] | undefined }) {
  const names = mentions.map((id) => `@${personName(people.value.get(id))}`);
  return <>{marked(text, names, "")}</>;
}

function marked(text: string, names: string[], path: string): ComponentChildren[] {
  for (const [Mark, pattern] of ELEMENTS) {
    const found = pattern.exec(text);
    if (!found) continue;
    const end = found.index + found[0].length;
    const verbatim = Mark === "pre" || Mark === "code";
    return [
      ...marked(text.slice(0, found.index), names, `${path}a`),
      <Mark key={`${path}m`}>{verbatim ? found[1] : marked(found[1]!, names, `${path}b`)}</Mark>,
      ...marked(text.slice(end), names, `${path}c`),
    ];
  }
  return linked(text, names, path);
}

function linked(text: string, names: string[], path: string): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let at = 0;
  for (const found of text.matchAll(LINK)) {
    out.push(...named(text.slice(at, found.index), names, `${path}n${at}`));
    out.push(
      <a key={`${path}l${found.index}`} href={found[0]} target="_blank" rel="noopener noreferrer nofollow">
        {found[0]}
      </a>,
    );
    at = found.index + found[0].length;
  }
  out.push(...named(text.slice(at), names, `${path}n${at}`));
  return out;
}

function named(text: string, names: string[], path: string): ComponentChildren[] {
  for (const name of names) {
    const at = text.indexOf(name);
    if (at < 0) continue;
    return [
      ...named(text.slice(0, at), names, `${path}x`),
      <span key={`${path}@`} class="mention">
        {name}
      </span>,
      ...named(text.slice(at + name.length), names, `${path}y`),
    ];
  }
  return text ? [text] : [];
}

/** One to three emoji and nothing else: shown large. */
export function isJumbo(text: string): boolean {
  return (
    text.length <= 24 &&
    /^(\p{Extended_Pictographic}(\uFE0F|\u200D\p{Extended_Pictographic}|[\u{1F3FB}-\u{1F3FF}])*){1,3}$/u.test(text)
  );
}
