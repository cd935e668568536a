/** What a push becomes on screen: the rules alone. */

export interface Push {
  type: "message" | "read";
  messageId?: string;
  chatId: string;
  seq: number;
  senderName?: string;
  chatName?: string;
  text?: string | null;
  /** Of a content that is no text: `text` begins with an English word for it. */
  kind?: string;
  badge?: number;
  /** How many messages this stands for, when a page says so. */
  count?: number;
}

/** The words of the language chosen in the app, which the page hands over. */
export interface Words {
  locale: string;
  message: string;
  messages: { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;
  /** What contents are called that are no text. */
  kinds?: Record<string, string>;
}

export const ENGLISH: Words = {
  locale: "en",
  message: "New message",
  messages: { one: "{n} new message", other: "{n} new messages" },
};

/** What the notification of a chat stands for; kept in its `data`. */
export interface Held {
  open: string;
  seq: number;
  count: number;
}

export interface Notice {
  title: string;
  options: NotificationOptions & { data: Held; renotify: boolean };
}

/** What may be told of it while the store has a lock: that there is something. */
export function unnamed({ type, chatId, seq, count }: Push): Push {
  return count === undefined ? { type, chatId, seq } : { type, chatId, seq, count };
}

/** The notification of a chat after this push; null when it says nothing new: `told` is the highest number that was
 * shown or read. */
export function noticeOf(push: Push, held: Held | null, told: number, words: Words): Notice | null {
  if (push.seq <= told) return null;
  return noticeWith(push, (held?.count ?? 0) + (push.count ?? 1), words, true);
}

/** The same with a count that is known. `aloud`: as something new, with sound where there is one. */
export function noticeWith(push: Push, count: number, words: Words, aloud: boolean): Notice {
  const group = push.chatName && push.chatName !== push.senderName;
  const line = lineOf(push, words);
  const lines = [group && push.senderName ? `${push.senderName}: ${line}` : line];
  if (count > 1) lines.unshift(counted(count, words));
  return {
    title: push.chatName || push.senderName || "Tidings",
    options: {
      body: lines.join("\n"),
      tag: push.chatId,
      renotify: aloud,
      silent: !aloud,
      icon: "/icons/icon-192.png",
      badge: "/icons/icon-192.png",
      lang: words.locale,
      data: { open: `/chat/${push.chatId}`, seq: push.seq, count },
    },
  };
}

function lineOf({ text, kind }: Push, words: Words): string {
  const word = kind && words.kinds?.[kind];
  if (!text || !word) return text || words.message;
  const more = text.indexOf(": ");
  return more < 0 ? word : word + text.slice(more);
}

function counted(count: number, words: Words): string {
  const form = words.messages[new Intl.PluralRules(words.locale).select(count)] ?? words.messages.other;
  return form.replace("{n}", new Intl.NumberFormat(words.locale).format(count));
}

const KEPT = 500;

/** `told` with one more number; of very many chats the ones told of longest ago go. */
export function toldWith(told: Record<string, number>, chatId: string, seq: number): Record<string, number> {
  const { [chatId]: before = 0, ...others } = told;
  const entries = Object.entries(others).slice(-KEPT + 1);
  return Object.fromEntries([...entries, [chatId, Math.max(before, seq)]]);
}
