// After `vite build`: the worker with its list of files, and what is served beside each file: .br and .gz.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");
const PACKED = /\.(html|js|css|json|svg|webmanifest)$/;
const SMALL = 600; // bytes below which packing does not pay

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) =>
    one.isDirectory() ? files(join(folder, one.name)) : [join(folder, one.name)],
  );
}

// What opens the app offline: the shell and everything it may load. Emoji data comes when first asked for.
const shell = files(dist)
  .map((path) => `/${relative(dist, path)}`)
  .filter(
    (path) => (path.startsWith("/assets/") || path.startsWith("/icons/")) && !/_emoji|-512|\.(br|gz)$/.test(path),
  );
const version = createHash("sha256");
for (const path of [...shell, "/index.html"]) version.update(path).update(readFileSync(join(dist, path)));

await build({
  configFile: false,
  root,
  logLevel: "warn",
  publicDir: false,
  define: { __FILES__: JSON.stringify(shell), __VERSION__: JSON.stringify(version.digest("hex").slice(0, 12)) },
  build: {
    target: "es2022",
    outDir: dist,
    emptyOutDir: false,
    lib: { entry: join(root, "src/worker/worker.ts"), formats: ["iife"], name: "worker", fileName: () => "sw.js" },
  },
});

for (const path of files(dist)) {
  if (!PACKED.test(path) || statSync(path).size < SMALL) continue;
  const body = readFileSync(path);
  writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
  writeFileSync(`${path}.br`, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
}
