/** Stars that the person set or took off and the server has not answered. */

import { change, plain, whole } from "./apply";
import type { Store } from "./store";

const FACT = "starsWanted";

/** Message to whether it is to have one. */
export type Stars = Readonly<Record<string, boolean>>;

export const wantedStars = async (store: Store): Promise<Stars> => (await store.fact<Stars>(FACT)) ?? {};

/** `next` answers what is wanted from now on, and the star as it is shown where that changes. */
async function turn(
  store: Store,
  id: string,
  next: (wanted: Stars) => { wanted: Stars; shown?: boolean },
): Promise<void> {
  const chatId = await whole(store.db, "strict", async (tx) => {
    const facts = tx.objectStore("facts");
    const { wanted, shown } = next((plain(await facts.get(FACT)) as Stars | undefined) ?? {});
    await facts.put(wanted, FACT);
    if (shown !== undefined) await change(tx, id, { starred: shown });
    return plain(await tx.objectStore("messages").get(id))?.chatId;
  });
  if (chatId) store.onChange({ chats: [chatId] });
}

export const wantStar = (store: Store, id: string, on: boolean) =>
  turn(store, id, (wanted) => ({ wanted: { ...wanted, [id]: on }, shown: on }));

/** `sent` is not wanted any more, unless something else was chosen since; where the server did not take it, it was not. */
export const starSettled = (store: Store, id: string, sent: boolean, taken: boolean) =>
  turn(store, id, (wanted) => {
    if (wanted[id] !== sent) return { wanted };
    const { [id]: _, ...rest } = wanted;
    return taken ? { wanted: rest } : { wanted: rest, shown: !sent };
  });
