/** What was chosen for a chat stays until the server has it, whatever it tells meanwhile. */

import "fake-indexeddb/auto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Store } from "../src/store/store";
import { type Settings, settled, shownTo, want } from "../src/store/wants";
import { chatOf } from "./builders";

let made = 0;

const chosen = fc.record<Partial<Settings>>(
  { pinned: fc.boolean(), archived: fc.boolean(), markedUnread: fc.boolean() },
  { requiredKeys: [] },
);
const step = fc.oneof(
  fc.record({ do: fc.constant("choose" as const), what: chosen }),
  fc.record({ do: fc.constant("tell" as const) }), // what is wanted goes to the server
  fc.record({ do: fc.constant("answer" as const) }), // and what it has done comes back
  fc.record({ do: fc.constant("sync" as const) }), // the server tells of the chat as it has it
);

test("what is chosen shows until it is answered, and is what the server has at the end", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const store = await Store.open(`wants-${made++}`);
      await store.begin("me");
      let server = chatOf(0);
      let sent: Partial<Settings> | null = null;
      let shown = server.settings;
      await store.apply([{ op: "putChat", chat: server }]);
      const row = async () => (await store.chats())[0]!;
      const tell = async () => {
        const { wants } = await row();
        if (!wants || sent) return;
        sent = wants;
        server = { ...server, settings: { ...server.settings, ...sent } };
      };
      const answer = async () => {
        if (sent) await settled(store, "c", sent, server);
        sent = null;
      };
      for (const one of steps) {
        if (one.do === "choose") {
          await want(store, "c", one.what);
          shown = { ...shown, ...one.what };
        } else if (one.do === "tell") await tell();
        else if (one.do === "answer") await answer();
        else await store.apply([{ op: "putChat", chat: server }]);
        expect(shownTo(await row()).chat.settings).toEqual(shown);
      }
      for (let i = 0; i < 2; i++) {
        await tell();
        await answer();
      }
      expect(server.settings).toEqual(shown);
      expect((await row()).wants).toBeUndefined();
      store.close();
    }),
    { numRuns: 200 },
  );
});

test("what the server refused is as the server has it", async () => {
  const store = await Store.open(`wants-${made++}`);
  await store.begin("me");
  await store.apply([{ op: "putChat", chat: chatOf(0) }]);
  await want(store, "c", { pinned: true });
  await want(store, "c", { archived: true });
  await settled(store, "c", { pinned: true }, null);
  const [row] = await store.chats();
  expect(row!.wants).toEqual({ archived: true });
  expect(shownTo(row!).chat.settings).toEqual({ ...chatOf(0).settings, archived: true });
  store.close();
});
