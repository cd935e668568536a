/** Stars that the person set or took off and the server has not answered. */

import { change, plain, rowIn, whole } from "./apply";
import type { Store } from "./store";

const FACT = "starsWanted";
const KNOWN = "starred"; // what the server had when it was asked, and took since

/** Message to whether it is to have one. */
export type Stars = Readonly<Record<string, boolean>>;

export const wantedStars = async (store: Store): Promise<Stars> => (await store.fact<Stars>(FACT)) ?? {};

export const knownStars = (store: Store) => store.fact<string[]>(KNOWN);
export const knowStars = (store: Store, ids: string[]) => store.setFact(KNOWN, ids);

/** `next` answers what is wanted from now on, the stars that are shown otherwise, and those that the server took. */
async function turn(
  store: Store,
  next: (wanted: Stars) => { wanted: Stars; shown?: Stars; taken?: Stars },
): Promise<void> {
  const chats = await whole(store.db, "strict", async (tx) => {
    const facts = tx.objectStore("facts");
    const { wanted, shown = {}, taken = {} } = next((plain(await facts.get(FACT)) as Stars | undefined) ?? {});
    await facts.put(wanted, FACT);
    const known = plain(await facts.get(KNOWN)) as string[] | undefined;
    const set = Object.keys(taken).filter((id) => taken[id]);
    if (known) await facts.put([...set, ...known.filter((id) => taken[id] === undefined)], KNOWN);
    const changed = new Set<string>();
    for (const [id, starred] of Object.entries(shown)) {
      await change(tx, id, { starred });
      const row = await rowIn(tx, id);
      if (row) changed.add(row.chatId);
    }
    return [...changed];
  });
  if (chats.length) store.onChange({ chats, stars: true });
}

export const wantStars = (store: Store, ids: string[], on: boolean) =>
  turn(store, (wanted) => {
    const shown = Object.fromEntries(ids.map((id) => [id, on]));
    return { wanted: { ...wanted, ...shown }, shown };
  });

/** `sent` is not wanted any more, unless something else was chosen since; where the server did not take it, it was not. */
export const starSettled = (store: Store, id: string, sent: boolean, took: boolean) =>
  turn(store, (wanted) => {
    const taken = took ? { [id]: sent } : {};
    if (wanted[id] !== sent) return { wanted, taken };
    const { [id]: _, ...rest } = wanted;
    return took ? { wanted: rest, taken } : { wanted: rest, shown: { [id]: !sent } };
  });
