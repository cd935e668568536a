/** The engine of this tab, and what is read in it: all that a cold start needs. */

import { failure } from "./calls";
import { Engine } from "./engine";
import { Pictures } from "./media";

export let engine: Engine;
export let pictures: Pictures;

export async function start(): Promise<void> {
  engine = await Engine.start();
  pictures = new Pictures(engine);
}

export { failure };

export function read(chatId: string, seq: number): Promise<boolean> {
  return engine.wish({ in: "read", chatId, seq });
}
