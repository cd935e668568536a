// No words of the interface outside the catalogues: text between tags, and attributes that people see or hear.

import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseAst } from "rolldown/parseAst";

const root = join(import.meta.dirname, "../src");
const SEEN = new Set(["title", "placeholder", "alt", "aria-label", "aria-description", "label"]);
const WORDS = /\p{L}{2,}/u;

function files(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((one) =>
    one.isDirectory() ? files(join(folder, one.name)) : one.name.endsWith(".tsx") ? [join(folder, one.name)] : [],
  );
}

let found = 0;
function complain(path, source, node, text) {
  const line = source.slice(0, node.start).split("\n").length;
  console.error(`${relative(root, path)}:${line}: words outside the catalogue: ${JSON.stringify(text.trim())}`);
  found += 1;
}

function walk(node, path, source) {
  if (!node || typeof node !== "object") return;
  if (Array.isArray(node)) {
    for (const one of node) walk(one, path, source);
    return;
  }
  if (node.type === "JSXText" && WORDS.test(node.value)) complain(path, source, node, node.value);
  if (node.type === "JSXAttribute" && SEEN.has(node.name.name) && node.value) {
    const value = node.value.type === "JSXExpressionContainer" ? node.value.expression : node.value;
    if (value.type === "Literal" && typeof value.value === "string" && WORDS.test(value.value))
      complain(path, source, node, value.value);
  }
  for (const [key, child] of Object.entries(node)) if (key !== "type") walk(child, path, source);
}

for (const path of files(root)) {
  const source = readFileSync(path, "utf8");
  walk(parseAst(source, { lang: "tsx" }), path, source);
}
process.exit(found ? 1 : 0);
