/** Turns what is held from one form into the other, in slices. It may end anywhere and begin again: both forms are read. */

import type { IDBPDatabase } from "idb";
import { index } from "./apply";
import type { Db, Row } from "./schema";
import type { Box } from "./seal";
import { isSealed, OPEN, openRecord, type Part, sealRecord } from "./sealed";

const SLICE = 200; // records in one transaction: whoever reads or writes gets a turn between

export type Form = "sealed" | "plain";

const FILES = { uploads: "file", blobs: "blob" } as const;
const isOut = (part: Part) => part === "facts" || part === "members";

/** `alive`: whether it is gone on with. */
export async function convert(
  db: Db,
  box: Box,
  to: Form,
  onProgress: (share: number) => void = () => undefined,
  alive = () => true,
): Promise<void> {
  const bare = db as unknown as IDBPDatabase; // of both forms
  const parts = Object.keys(OPEN) as Part[];
  const counts = await Promise.all([...parts, "blobs"].map((part) => bare.count(part)));
  const total = counts.reduce((sum, count) => sum + count, 0);
  let done = 0;
  const went = (count: number) => onProgress((done += count) / Math.max(1, total));
  for (const part of parts) await convertPart(bare, box, to, part, went, alive);
  for (const part of ["uploads", "blobs"] as const) await convertFiles(bare, box, to, part, went, alive);
}

async function convertPart(
  bare: IDBPDatabase,
  box: Box,
  to: Form,
  part: Part,
  went: (count: number) => void,
  alive: () => boolean,
): Promise<void> {
  for (let after: IDBValidKey | undefined; alive(); ) {
    const tx = bare.transaction(part, "readwrite", { durability: "relaxed" });
    const range = after === undefined ? undefined : IDBKeyRange.lowerBound(after, true);
    const [keys, records] = await Promise.all([
      tx.store.getAllKeys(range, SLICE),
      tx.store.getAll(range, SLICE) as Promise<unknown[]>,
    ]);
    const writes = keys.flatMap((key, i): Promise<unknown>[] => {
      if (isSealed(records[i]) === (to === "sealed")) return [];
      const outside = isOut(part) ? key : undefined;
      if (to === "sealed") return [tx.store.put(sealRecord(box, part, records[i], outside), outside)];
      try {
        const plain = openRecord(box, part, records[i], outside);
        return [tx.store.put(part === "messages" ? index(plain as Row) : plain, outside)];
      } catch {
        return [tx.store.delete(key)]; // nobody will ever read it
      }
    });
    await Promise.all([...writes, tx.done]);
    went(keys.length);
    if (keys.length < SLICE) return;
    after = keys.at(-1);
  }
}

/** One after the other: their bytes can't be sealed within a transaction. */
async function convertFiles(
  bare: IDBPDatabase,
  box: Box,
  to: Form,
  part: keyof typeof FILES,
  went: (count: number) => void,
  alive: () => boolean,
): Promise<void> {
  const field = FILES[part];
  for (const key of (await bare.getAllKeys(part)) as string[]) {
    const file = ((await bare.get(part, key)) as { [field]?: Blob } | undefined)?.[field] as Blob | undefined;
    const next = file && (await (to === "sealed" ? box.files.seal(key, file) : box.files.open(key, file)));
    if (part === "blobs") went(1);
    if (!alive()) return;
    if (!file || next === file) continue;
    const tx = bare.transaction(part, "readwrite");
    const held = (await tx.store.get(key)) as object | undefined; // gone meanwhile, or written of anew
    if (held && next) await tx.store.put({ ...held, [field]: next });
    else if (held) await tx.store.delete(key);
    await tx.done;
  }
}
