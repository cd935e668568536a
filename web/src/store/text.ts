/** What of a message is text, and the words it is found by. */

import type { Content, Message } from "../sync/wire";

const WORD = /[\p{L}\p{N}]+/gu;
const LINK = /\bhttps?:\/\/\S+/i;
const WORDS_MAX = 64;

/** Everything of a content that a person can read in it. */
export function textOf(content: Content | null): string {
  switch (content?.kind) {
    case "text":
      return content.text;
    case "image":
    case "video":
      return content.caption ?? "";
    case "document":
      return content.caption ? `${content.fileName} ${content.caption}` : content.fileName;
    case "location":
      return content.name ?? "";
    case "contact":
      return content.name;
    case "poll":
      return [content.question, ...content.options.map((option) => option.text)].join(" ");
    default:
      return "";
  }
}

/** Lower case, without accents, in the order they stand. */
export function wordsOf(text: string): string[] {
  const plain = text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  return [...new Set(plain.match(WORD) ?? [])].slice(0, WORDS_MAX);
}

export function shelfOf(message: Pick<Message, "content">): "media" | "docs" | "links" | "voice" | undefined {
  switch (message.content?.kind) {
    case "image":
    case "video":
      return "media";
    case "document":
    case "audio":
      return "docs";
    case "voice":
      return "voice";
    case "text":
      return LINK.test(message.content.text) ? "links" : undefined;
    default:
      return undefined;
  }
}
