import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** What a cold start needs to show the chat list: one file, so that it is packed well. */
const SHELL =
  /node_modules\/(preact|@preact|idb|lucide)\/|src\/(main|api\/|store\/(?!search|seal|stars)|sync\/|engine\/(?!actions|chosen|parts|prepare|push|lock)|i18n\/(i18n|en)\.|worker\/register|views\/(app|connection|lazy|parts|icon|format|route|focus|keys|layer|menubutton|look|install|memo|thread\/tick|list\/(chatlist|press))\.)|vite\/preload-helper/;
const EMOJI_VERSION = 15; // what systems can be expected to draw

interface Emoji {
  unicode?: string;
  emoji?: string;
  label: string;
  tags?: string[];
  group?: number;
  version?: number;
}

/** `virtual:emoji`: [emoji, words it is found by, group], in the order of Unicode. */
function emoji(): Plugin {
  const id = "virtual:emoji";
  return {
    name: "emoji",
    resolveId: (asked) => (asked === id ? `\0${id}` : null),
    load(asked) {
      if (asked !== `\0${id}`) return null;
      const folder = join(import.meta.dirname, "node_modules/emojibase-data/en/data.json");
      const all = (JSON.parse(readFileSync(folder, "utf8")) as Emoji[])
        .filter((one) => one.group !== undefined && one.group !== 2 && (one.version ?? 0) <= EMOJI_VERSION)
        .map((one) => {
          const words = new Set(
            [one.label, ...(one.tags ?? [])]
              .join(" ")
              .toLowerCase()
              .split(/[^\p{L}\p{N}]+/u),
          );
          return [one.emoji, [...words].filter(Boolean).join(" "), one.group! > 2 ? one.group! - 1 : one.group];
        });
      return `export default JSON.parse(${JSON.stringify(JSON.stringify(all))})`;
    },
  };
}

export default defineConfig({
  plugins: [emoji()],
  build: {
    target: "es2022",
    outDir: "dist",
    assetsInlineLimit: 0, // the content security policy lets in no data: script or style
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 400,
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "shell", test: SHELL }] } } },
  },
  server: { proxy: { "/api": "http://localhost:30080", "/ws": { target: "ws://localhost:30080", ws: true } } },
  test: { include: ["tests/**/*.test.ts"], environment: "node", testTimeout: 30_000 },
});
