/** What a person can do, as plain functions. What concerns messages goes by the store; the rest asks the server. */

import type { Row } from "../store/schema";
import { knownStars, knowStars, wantedStars } from "../store/stars";
import type { Ask, Frame } from "../sync/model";
import type { Chat, Content, Media, Member, Message, User } from "../sync/wire";
import { failure } from "./calls";
import { engine } from "./here";
import type { Prepared } from "./prepare";
import * as state from "./state";

const unique = () => crypto.randomUUID();
const now = () => new Date(state.now()).toISOString();

/** Answers whether it is kept: there may be no room on this device. */
export function send(
  chatId: string,
  content: Content,
  more: { replyTo?: string | null; mentions?: string[]; expiresIn?: number } = {},
): Promise<boolean> {
  state.wrote.value = true;
  return engine.wish({ in: "send", chatId, clientMsgId: unique(), content, createdAt: now(), ...more });
}

export async function sendFile(chatId: string, file: Prepared, replyTo: string | null = null): Promise<boolean> {
  const id = unique();
  const { fileName, draft } = file;
  const upload = { id, chatId, file: file.file, fileName, draft, replyTo, createdAt: now() };
  const kept = await engine.keep(() => engine.store.addUpload(upload));
  if (kept) engine.uploadAdded();
  return kept;
}

/** A refused or failed row once more, as it was. */
export async function retry(row: Row): Promise<void> {
  const id = row.message.clientMsgId!;
  const upload = await engine.store.upload(id);
  if (upload) {
    const { error: _, ...rest } = upload;
    await engine.store.addUpload(rest);
    engine.uploadAdded();
    return;
  }
  if (await engine.store.isUploading(id)) return engine.onRefused("damaged"); // its file does not open
  const { chatId, content, replyTo, mentions } = row.message;
  const frame: Frame = { type: "message.send", chatId, clientMsgId: id, content };
  if (replyTo) frame.replyTo = replyTo.messageId;
  if (mentions?.length) frame.mentions = mentions;
  await engine.wish({ in: "again", entry: { id, chatId, frame } });
}

export async function discard(row: Row): Promise<void> {
  engine.cancelUpload(row.id.slice(1));
  await engine.store.discard(row);
}

function ask(row: Row, frame: Frame): Promise<boolean> {
  const messageId = row.message.messageId!;
  const wish: Ask = { in: "ask", chatId: row.chatId, ref: `${messageId}.${unique().slice(0, 8)}`, frame };
  return engine.wish(wish);
}

export const edit = (row: Row, content: Content) =>
  ask(row, { type: "message.edit", messageId: row.message.messageId, content });
export const remove = (row: Row, whom: "everyone" | "me") =>
  ask(row, { type: "message.delete", messageId: row.message.messageId, for: whom });
export const react = (row: Row, emoji: string | null) =>
  ask(row, { type: "message.react", messageId: row.message.messageId, emoji });
export const vote = (row: Row, optionIds: string[]) =>
  ask(row, { type: "message.vote", messageId: row.message.messageId, optionIds });

let typingAt = 0;
let typingIn = "";

/** Told at most every 3 s while the person types. */
export function typed(chatId: string, on: boolean): void {
  if (on && typingIn === chatId && Date.now() - typingAt < 3_000) return;
  if (!on && typingIn !== chatId) return;
  typingAt = Date.now();
  typingIn = on ? chatId : "";
  engine.sayFrame({ type: on ? "typing.start" : "typing.stop", chatId });
}

export async function pin(row: Row, on: boolean): Promise<void> {
  const path = `/messages/${row.message.messageId}/pin`;
  await (on ? engine.api.put(path) : engine.api.delete(path));
}

export async function forward(rows: Row[], chatIds: string[]): Promise<void> {
  for (const chatId of chatIds)
    await engine.api.post("/messages/forward", {
      chatId,
      items: rows.map((row) => ({ messageId: row.message.messageId, clientMsgId: unique() })),
    });
}

export const receipts = (row: Row) =>
  engine.api.get<{ items: { userId: string; deliveredAt: string | null; readAt: string | null }[] }>(
    `/messages/${row.message.messageId}/receipts`,
  );

/** Messages around a place that is not held yet. */
export async function fetchAround(chatId: string, seq: number): Promise<void> {
  const page = await engine.api.get<{ items: Message[] }>(`/chats/${chatId}/messages?around=${seq}&limit=60`);
  await engine.store.foresee(chatId, page.items);
}

/** The newest messages of a chat that is still being caught up. */
export async function fetchNewest(chatId: string): Promise<void> {
  const page = await engine.api.get<{ items: Message[] }>(`/chats/${chatId}/messages?limit=50`).catch(() => null);
  if (page) await engine.store.foresee(chatId, page.items);
}

// -- chats ---------------------------------------------------------------------------------------------

export async function openDirect(userId: string): Promise<string> {
  const known = [...state.chats.value.values()].find(
    (row) => row.chat.type === "direct" && row.chat.peer?.id === userId,
  );
  if (known) return known.id;
  return (await took(await engine.api.post<Chat>("/chats", { type: "direct", userId }))).id;
}

/** One of ours that is not held. */
export const fetchChat = async (chatId: string) => took(await engine.api.get<Chat>(`/chats/${chatId}`));

export async function createGroup(name: string, participantIds: string[], avatar: File | null): Promise<string> {
  const clientChatId = unique();
  let chat = await engine.api.post<Chat>("/chats", { type: "group", name, participantIds, clientChatId });
  if (avatar) {
    const media = await uploadPicture(avatar);
    chat = await engine.api.patch<Chat>(`/chats/${chat.id}`, { avatarMediaId: media.id });
  }
  return (await took(chat)).id;
}

export const editChat = async (
  chatId: string,
  fields: {
    name?: string;
    description?: string | null;
    avatarMediaId?: string | null;
    permissions?: Partial<Chat["permissions"]>;
    disappearingSeconds?: number | null;
  },
) => took(await engine.api.patch<Chat>(`/chats/${chatId}`, fields));

export const leave = async (chatId: string) => took(await engine.api.post<Chat>(`/chats/${chatId}/leave`));

export async function members(chatId: string): Promise<Member[]> {
  const found: Member[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page: { items: Member[]; nextCursor: string | null } = await engine.api.get(
      `/chats/${chatId}/members?limit=200${query}`,
    );
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  await engine.store.putMembers(chatId, found);
  await engine.store.putPeople(found.map((member) => member.user).filter((user) => user !== null));
  return found;
}

export const addMembers = (chatId: string, userIds: string[]) =>
  engine.api.post<{ added: string[]; refused: { userId: string; code: string }[] }>(`/chats/${chatId}/members`, {
    userIds,
  });
export const removeMember = (chatId: string, userId: string) => engine.api.delete(`/chats/${chatId}/members/${userId}`);
export const setRole = (chatId: string, userId: string, role: "admin" | "member") =>
  engine.api.put(`/chats/${chatId}/members/${userId}/role`, { role });

export interface Invite {
  code: string;
  url: string;
  expiresAt: string;
}
export const makeInvite = (chatId: string) => engine.api.post<Invite>(`/chats/${chatId}/invite`);
export const revokeInvite = (chatId: string) => engine.api.delete(`/chats/${chatId}/invite`);
export const invited = (code: string) =>
  engine.api.get<{ chatId: string; name: string; description: string | null; memberCount: number }>(`/invites/${code}`);
export const join = async (code: string) => (await took(await engine.api.post<Chat>(`/invites/${code}/join`))).id;

// -- people ----------------------------------------------------------------------------------------------

const asked = new Set<string>();

/** Names for these ids, when they are not known yet. */
export async function meet(ids: Iterable<string>): Promise<void> {
  const wanted = [...new Set(ids)].filter((id) => id && !state.people.value.has(id) && !asked.has(id));
  const unknown = wanted.slice(0, 40);
  if (!unknown.length) return;
  for (const id of unknown) asked.add(id);
  const found: User[] = [];
  for (const id of unknown) {
    const user = await engine.api.get<User>(`/users/${id}`).catch((error) => {
      if (failure(error).code !== "not_found") asked.delete(id);
      return null;
    });
    if (user) found.push(user);
  }
  await engine.store.putPeople(found);
}

export async function refreshPerson(id: string): Promise<User> {
  const user = await engine.api.get<User>(`/users/${id}`);
  await engine.store.putPeople([user]);
  return user;
}

export async function contacts(): Promise<User[]> {
  const found: User[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const page: { items: User[]; nextCursor: string | null } = await engine.api.get(
      `/users/contacts?limit=100${query}`,
    );
    found.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor);
  await engine.store.putPeople(found);
  return found;
}

export async function addContact(phone: string): Promise<User> {
  const user = await engine.api.post<User>("/users/contacts", { phone });
  await engine.store.putPeople([user]);
  return user;
}

export async function syncContacts(phoneNumbers: string[]): Promise<User[]> {
  const answer = await engine.api.post<{ items: { phone: string; user: User }[] }>("/users/contacts/sync", {
    phoneNumbers,
  });
  const users = answer.items.map((item) => item.user);
  await engine.store.putPeople(users);
  return users;
}

export async function block(userId: string, on: boolean): Promise<void> {
  if (on) await engine.api.put(`/users/blocked/${userId}`);
  else await engine.api.delete(`/users/blocked/${userId}`);
  await refreshPerson(userId);
  const row = [...state.chats.value.values()].find((one) => one.chat.peer?.id === userId);
  if (row) await took(await engine.api.get<Chat>(`/chats/${row.id}`));
}

export const blocked = async () => (await engine.api.get<{ items: User[] }>("/users/blocked?limit=100")).items;

// -- oneself ---------------------------------------------------------------------------------------------

export async function uploadPicture(file: File): Promise<Media> {
  const { prepare } = await import("./prepare");
  const made = await prepare(file, "");
  return await engine.api.upload<Media>(made.file, made.fileName, () => undefined, new AbortController().signal);
}

export async function setProfile(fields: {
  name?: string;
  about?: string | null;
  avatarMediaId?: string | null;
}): Promise<void> {
  await engine.setMe(await engine.api.patch<User>("/users/me", fields));
}

export type Audience = "everyone" | "contacts" | "nobody";
export interface Privacy {
  lastSeen: Audience;
  online: Audience;
  avatar: Audience;
  about: Audience;
  groups: Audience;
  readReceipts: boolean;
}
export const privacy = () => engine.api.get<Privacy>("/users/me/privacy");
export const setPrivacy = (given: Partial<Privacy>) => engine.api.put<Privacy>("/users/me/privacy", given);

export interface SessionInfo {
  id: string;
  device: { name: string; platform: string };
  createdAt: string;
  lastSeenAt: string;
  current: boolean;
}
export const sessions = async () => (await engine.api.get<{ items: SessionInfo[] }>("/auth/sessions")).items;
export const endSession = (id: string) => engine.api.delete(`/auth/sessions/${id}`);
export async function deleteAccount(): Promise<void> {
  await engine.api.delete("/users/me");
  await engine.signedOut();
}

export interface Found {
  message: Message;
  highlights: [number, number][];
}
export async function searchServer(q: string, chatId?: string): Promise<Message[]> {
  const query = chatId ? `&chatId=${chatId}` : "";
  const answer = await engine.api.get<{ items: Found[] }>(
    `/messages/search?q=${encodeURIComponent(q)}&limit=50${query}`,
  );
  return answer.items.map((item) => item.message);
}

/** As they are now, with what was chosen here and is not told. Without a connection those that were known last and are
 * held on this device. Throws if none are known. */
export async function starred(): Promise<Message[]> {
  const wanted = await wantedStars(engine.store);
  const held = async (ids: Iterable<string>) => {
    const rows = await Promise.all([...new Set(ids)].map((id) => engine.store.row(id)));
    return rows.flatMap((row) => (row?.message.starred && !row.message.deletedAt ? [row.message as Message] : []));
  };
  try {
    const { items } = await engine.api.get<{ items: Message[] }>("/messages/starred?limit=100");
    const ids = items.map((item) => item.messageId);
    await knowStars(engine.store, ids).catch(() => undefined);
    const more = await held(Object.keys(wanted).filter((id) => !ids.includes(id)));
    return [...more, ...items.filter((item) => wanted[item.messageId] !== false)];
  } catch (error) {
    const known = await knownStars(engine.store);
    if (!known || failure(error).code !== "unreachable") throw error;
    return held([...Object.keys(wanted), ...known]);
  }
}

async function took(chat: Chat): Promise<Chat> {
  await engine.store.apply([{ op: "putChat", chat }]);
  return chat;
}
