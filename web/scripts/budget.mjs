// What a first visit loads, in gzip bytes, against the budgets. Fails above.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const dist = join(import.meta.dirname, "../dist");
const size = (path) => gzipSync(readFileSync(join(dist, path)), { level: 9 }).length;
const html = readFileSync(join(dist, "index.html"), "utf8");
const linked = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(js|css))"/g)];
const sum = (kind) => linked.filter((one) => one[2] === kind).reduce((total, one) => total + size(one[1]), 0);

const BUDGETS = [
  ["shell JavaScript", sum("js"), 45_000],
  ["shell CSS", sum("css"), 10_000],
  ["HTML", size("index.html"), 4_000],
  ["worker", size("sw.js"), 6_000],
];
const LAZY = [
  [/emoji/, 60_000],
  [/^(en|de|es|ar)-/, 6_500],
  [/./, 15_000],
];
const shell = new Set(linked.map((one) => one[1]));
for (const name of readdirSync(join(dist, "assets")).filter((one) => /\.(js|css)$/.test(one))) {
  if (shell.has(`assets/${name}`)) continue;
  const [, most] = LAZY.find(([pattern]) => pattern.test(name));
  BUDGETS.push([`lazy ${name}`, size(`assets/${name}`), most]);
}
let over = 0;
for (const [what, bytes, most] of BUDGETS) {
  const verdict = bytes > most ? "TOO LARGE" : "ok";
  if (bytes > most) over += 1;
  console.log(`${String(bytes).padStart(7)} of ${String(most).padStart(6)}  ${verdict.padEnd(9)} ${what}`);
}
process.exit(over ? 1 : 0);
