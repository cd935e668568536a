/** Names, times, sizes and the one-line form of a message, in the person's language. */

import { me, now, people } from "../engine/state";
import { date, has, list, number, relative, t } from "../i18n/i18n";
import type { ChatRow, Row } from "../store/schema";
import type { Chat, Content, Message, Notice, User } from "../sync/wire";
import { plain } from "./marks";

const DAY_MS = 86_400_000;

export function nameOf(userId: string | null | undefined): string {
  if (!userId) return "";
  if (userId === me.value?.id) return t("you");
  return personName(people.value.get(userId));
}

export function personName(user: User | null | undefined): string {
  if (!user) return t("someone");
  if (user.deleted) return t("deletedAccount");
  return user.name || user.phone || t("someone");
}

export function titleOf(chat: Chat): string {
  if (chat.type === "group") return chat.name ?? "";
  if (isSelf(chat)) return t("notesToSelf");
  return personName(chat.peer);
}

export function isSelf(chat: Chat): boolean {
  return chat.type === "direct" && chat.peer !== null && chat.peer.id === me.value?.id;
}

export function clock(iso: string): string {
  return date(new Date(iso), { hour: "numeric", minute: "2-digit" });
}

function daysAgo(at: Date): number {
  const start = (value: Date) => new Date(value.getFullYear(), value.getMonth(), value.getDate()).getTime();
  return Math.round((start(new Date(now())) - start(at)) / DAY_MS);
}

function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** Today, yesterday, Monday, 3 May. */
export function day(iso: string): string {
  const at = new Date(iso);
  const days = daysAgo(at);
  if (days < 2 && days >= 0) return capital(relative(-days, "day"));
  if (days < 7 && days >= 0) return date(at, { weekday: "long" });
  const sameYear = at.getFullYear() === new Date(now()).getFullYear();
  return date(at, { day: "numeric", month: "long", ...(sameYear ? {} : { year: "numeric" }) });
}

/** As short as a chat list has room for. */
export function brief(ms: number): string {
  const at = new Date(ms);
  const days = daysAgo(at);
  if (days <= 0) return date(at, { hour: "numeric", minute: "2-digit" });
  if (days === 1) return capital(relative(-1, "day"));
  if (days < 7) return date(at, { weekday: "short" });
  return date(at, { day: "numeric", month: "numeric", year: "2-digit" });
}

export function full(iso: string): string {
  return date(new Date(iso), { dateStyle: "medium", timeStyle: "short" });
}

export function dayKey(iso: string): string {
  return new Date(iso).toDateString();
}

export function bytes(size: number): string {
  if (size < 1024) return t("bytes", { n: size });
  if (size < 1024 * 1024) return t("kilobytes", { n: Math.round(size / 1024) });
  return t("megabytes", { n: Math.round(size / 1024 / 102.4) / 10 });
}

export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return `${number(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, "0")}`;
}

export function lastSeen(seen: { online: boolean; lastSeen: string | null } | undefined): string {
  if (!seen) return "";
  if (seen.online) return t("online");
  if (!seen.lastSeen) return "";
  const days = daysAgo(new Date(seen.lastSeen));
  const when = days <= 0 ? clock(seen.lastSeen) : `${day(seen.lastSeen)}, ${clock(seen.lastSeen)}`;
  return t("lastSeen", { when });
}

/** What a content is, in a few words. */
export function contentLine(content: Content | null): string {
  switch (content?.kind) {
    case undefined:
      return "";
    case "text":
      return plain(content.text);
    case "image":
      return plain(content.caption ?? "") || t("photo");
    case "video":
      return plain(content.caption ?? "") || t("video");
    case "voice":
      return `${t("voiceMessage")} ${duration(content.durationMs)}`;
    case "audio":
      return t("audio");
    case "document":
      return plain(content.caption ?? "") || content.fileName;
    case "location":
      return content.name || t("location");
    case "contact":
      return content.name;
    case "sticker":
      return t("sticker");
    case "poll":
      return content.question;
    case "notice":
      return "";
    default:
      return t("unsupported");
  }
}

export const CONTENT_ICON = {
  image: "image",
  video: "play",
  voice: "mic",
  audio: "mic",
  document: "file",
  location: "place",
  contact: "user",
  sticker: "sticker",
  poll: "poll",
} as const;

/** What happened, told of a chat. */
export function noticeLine(message: Pick<Message, "content" | "senderId">): string {
  const notice = message.content as Notice | null;
  if (!notice) return "";
  const actor = notice.actorId ?? message.senderId;
  const mine = actor === me.value?.id;
  const who = nameOf(actor);
  const whom = list((notice.userIds ?? []).map(nameOf));
  const joined = notice.userIds?.length === 1 && notice.userIds[0] === actor;
  switch (notice.event) {
    case "chat.created":
      return mine ? t("noticeCreatedByYou") : t("noticeCreated", { who });
    case "member.added":
      if (joined) return mine ? t("noticeJoinedYou") : t("noticeJoined", { who });
      return mine ? t("noticeAddedByYou", { whom }) : t("noticeAdded", { who, whom });
    case "member.removed":
      return mine ? t("noticeRemovedByYou", { whom }) : t("noticeRemoved", { who, whom });
    case "member.left":
      return mine ? t("noticeLeftYou") : t("noticeLeft", { who });
    case "role.changed":
      return t("noticeRole", {
        whom,
        role: notice.role && has(`role_${notice.role}`) ? t(`role_${notice.role}` as "role_admin") : "",
      });
    case "disappearing.changed":
      if (!notice.disappearingSeconds) return mine ? t("noticeTimerOffByYou") : t("noticeTimerOff", { who });
      return mine ? t("noticeTimerByYou") : t("noticeTimer", { who });
    case "info.changed":
      if (notice.name)
        return mine ? t("noticeNameByYou", { name: notice.name }) : t("noticeName", { who, name: notice.name });
      return mine ? t("noticeInfoByYou") : t("noticeInfo", { who });
    default:
      return mine ? t("noticeInfoByYou") : t("noticeInfo", { who });
  }
}

/** The line under a chat's name. */
export function previewOf(row: ChatRow): {
  who: string;
  text: string;
  icon?: (typeof CONTENT_ICON)[keyof typeof CONTENT_ICON];
} {
  const last = row.last;
  if (!last) return { who: "", text: "" };
  const { message } = last;
  if (message.kind === "notice") {
    const began = row.chat.type === "direct" && (message.content as Notice | null)?.event === "chat.created";
    return { who: "", text: began ? t("noMessagesYet") : noticeLine(message) };
  }
  const mine = message.senderId === me.value?.id;
  const who = row.chat.type === "group" && !mine ? firstName(nameOf(message.senderId)) : "";
  if (message.deletedAt) return { who, text: mine ? t("youDeleted") : t("deletedMessage") };
  const kind = message.content?.kind;
  const text = contentLine(message.content);
  return kind && kind in CONTENT_ICON
    ? { who, text, icon: CONTENT_ICON[kind as keyof typeof CONTENT_ICON] }
    : { who, text };
}

export function firstName(name: string): string {
  return name.split(/\s+/)[0] ?? name;
}

export type Tick = "pending" | "failed" | "sent" | "delivered" | "read";

export function tickOf(row: Row, chat: Pick<ChatRow, "othersReadSeq" | "othersDeliveredSeq">): Tick {
  if (row.state === "failed") return "failed";
  if (row.message.seq === null || row.state !== "stored") return "pending";
  if (row.message.seq <= chat.othersReadSeq) return "read";
  return row.message.seq <= chat.othersDeliveredSeq ? "delivered" : "sent";
}

/** The words for a refusal. */
export function refusal(code: string): string {
  const key = `error_${code}`;
  return has(key) ? t(key) : t("error_internal");
}
