/** A star that was chosen shows at once, and is what the server has at the end, whatever is chosen meanwhile. */

import "fake-indexeddb/auto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { knownStars, knowStars, starSettled, wantedStars, wantStars } from "../src/store/stars";
import { Store } from "../src/store/store";
import { chatOf, messageOf } from "./builders";

let made = 0;

async function held(): Promise<Store> {
  const store = await Store.open(`stars-${made++}`);
  await store.begin("me");
  await store.apply([
    { op: "putChat", chat: chatOf(2) },
    { op: "putMessage", message: messageOf(1, "ann", "one") },
    { op: "putMessage", message: messageOf(2, "ann", "two") },
  ]);
  await knowStars(store, []);
  return store;
}

const step = fc.oneof(
  fc.record({ do: fc.constant("choose" as const), id: fc.constantFrom("m1", "m2"), on: fc.boolean() }),
  fc.record({ do: fc.constantFrom("ask" as const, "answer" as const, "refuse" as const) }),
);

test("what is chosen shows, and in the end the server has what shows", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const store = await held();
      const server: Record<string, boolean> = {};
      const taken: Record<string, boolean> = {}; // by the server, the latest
      let asked: [string, boolean] | null = null;
      const ask = async () => {
        asked ??= Object.entries(await wantedStars(store))[0] ?? null;
      };
      const answer = async (took: boolean) => {
        if (!asked) return;
        if (took) server[asked[0]] = taken[asked[0]] = asked[1];
        await starSettled(store, ...asked, took);
        asked = null;
      };
      const shown = async (id: string) => (await store.row(id))!.message.starred ?? false;
      for (const one of steps) {
        if (one.do === "choose") {
          await wantStars(store, [one.id], one.on);
          expect(await shown(one.id)).toBe(one.on);
        } else if (one.do === "ask") await ask();
        else if (one.do === "answer") await answer(true);
        else {
          const refused = asked as [string, boolean] | null;
          const still = refused && (await wantedStars(store))[refused[0]] === refused[1];
          await answer(false);
          if (refused && still) {
            expect(await shown(refused[0])).toBe(!refused[1]);
            server[refused[0]] = !refused[1]; // what was refused was so already
          }
        }
      }
      for (let round = 0; round < 3; round++) {
        await ask();
        await answer(true);
      }
      expect(await wantedStars(store)).toEqual({});
      const told = Object.keys(taken).filter((id) => taken[id]);
      expect((await knownStars(store))!.sort()).toEqual(told.sort()); // what is shown without a network
      for (const id of ["m1", "m2"]) expect(await shown(id)).toBe(server[id] ?? false);
      store.close();
    }),
    { numRuns: 200 },
  );
});
