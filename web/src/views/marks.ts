/** What marks a piece of message text: *bold*, _italic_, ~struck~, `code`. The verbatim ones first. */

export const MARKS = {
  pre: /```\n?([\s\S]+?)\n?```/,
  code: /`([^`\n]+)`/,
  strong: /(?<![\p{L}\p{N}*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\p{L}\p{N}*])/u,
  em: /(?<![\p{L}\p{N}_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\p{L}\p{N}_])/u,
  s: /(?<![\p{L}\p{N}~])~(?!\s)([^~\n]+?)(?<!\s)~(?![\p{L}\p{N}~])/u,
};

/** The text without its marks, for where it is one line among others. */
export function plain(text: string): string {
  for (const [name, pattern] of Object.entries(MARKS)) {
    const found = pattern.exec(text);
    if (!found) continue;
    const inner = name === "pre" || name === "code" ? found[1]! : plain(found[1]!);
    return plain(text.slice(0, found.index)) + inner + plain(text.slice(found.index + found[0].length));
  }
  return text;
}
