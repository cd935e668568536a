/** What the service worker shows for which pushes. */

import { expect, test } from "vitest";
import { ENGLISH, noticeOf, noticeWith, type Push, toldWith, unnamed, type Words } from "../src/worker/notice";

const push = (fields: Partial<Push> = {}): Push => ({
  type: "message",
  chatId: "c",
  seq: 5,
  senderName: "Ann",
  chatName: "Ann",
  text: "hello",
  ...fields,
});

test("a direct chat is called after whom one talks to, a group says who wrote", () => {
  expect(noticeOf(push(), null, 0, ENGLISH)).toMatchObject({ title: "Ann", options: { body: "hello", tag: "c" } });
  const group = noticeOf(push({ chatName: "Hikers" }), null, 0, ENGLISH);
  expect(group).toMatchObject({ title: "Hikers", options: { body: "Ann: hello" } });
});

test("another of the same chat takes its place and counts", () => {
  const first = noticeOf(push(), null, 0, ENGLISH)!;
  const second = noticeOf(push({ seq: 6, text: "there" }), first.options.data, 5, ENGLISH)!;
  expect(second.options.body).toBe("2 new messages\nthere");
  expect(second.options.data).toEqual({ open: "/chat/c", seq: 6, count: 2 });
  const more = noticeOf(push({ seq: 9, count: 3 }), second.options.data, 6, ENGLISH)!;
  expect(more.options.data.count).toBe(5);
});

test("what comes twice, late or after reading is not shown", () => {
  expect(noticeOf(push({ seq: 5 }), null, 5, ENGLISH)).toBeNull();
  expect(noticeOf(push({ seq: 4 }), null, 5, ENGLISH)).toBeNull();
  expect(noticeOf(push({ seq: 6 }), null, 5, ENGLISH)).not.toBeNull();
});

test("a count that is put right makes no sound", () => {
  expect(noticeWith(push(), 3, ENGLISH, false).options).toMatchObject({ silent: true, renotify: false });
  expect(noticeOf(push(), null, 0, ENGLISH)!.options).toMatchObject({ silent: false, renotify: true });
});

test("it speaks the language of the app", () => {
  const arabic: Words = { locale: "ar", message: "رسالة", messages: { two: "اثنتان", few: "{n} رسائل", other: "{n}" } };
  expect(noticeOf(push({ text: null }), null, 0, arabic)!.options.body).toBe("رسالة");
  expect(noticeWith(push(), 2, arabic, true).options.body).toBe("اثنتان\nhello");
  expect(noticeWith(push(), 5, arabic, true).options.body).toMatch(/رسائل\nhello$/);
});

test("what is no text is called by the word of the language", () => {
  const german: Words = { ...ENGLISH, locale: "de", kinds: { image: "Foto" } };
  const body = (fields: Partial<Push>, words = german) => noticeOf(push(fields), null, 0, words)!.options.body;
  expect(body({ text: "Photo", kind: "image" })).toBe("Foto");
  expect(body({ text: "Photo: At the sea: us", kind: "image" })).toBe("Foto: At the sea: us");
  expect(body({ text: "Photo: At the sea", kind: "image" }, ENGLISH)).toBe("Photo: At the sea");
  expect(body({ text: "Hologram: a whale", kind: "hologram" })).toBe("Hologram: a whale");
  expect(body({ text: "Note: no picture" })).toBe("Note: no picture");
});

test("what was told never goes back, and is bounded", () => {
  let told: Record<string, number> = {};
  for (let n = 0; n < 700; n += 1) told = toldWith(told, `chat${n}`, n);
  expect(Object.keys(told)).toHaveLength(500);
  expect(toldWith(told, "chat699", 3).chat699).toBe(699);
});

test("under a lock it says that there is something, and not of whom", () => {
  const notice = noticeOf(unnamed(push({ seq: 7, count: 2, chatName: "Hikers" })), null, 0, ENGLISH)!;
  expect(notice).toMatchObject({ title: "Tidings", options: { body: "2 new messages\nNew message", tag: "c" } });
  expect(JSON.stringify(notice)).not.toMatch(/Ann|Hikers|hello/);
});
