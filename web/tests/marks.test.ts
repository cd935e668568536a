import { expect, test } from "vitest";
import { plain } from "../src/views/marks";

test.each([
  ["Shall we *meet*?", "Shall we meet?"],
  ["*bold _and_ slanted* ~not~", "bold and slanted not"],
  ["`*as it is*` *b*", "*as it is* b"],
  ["```\ncode\n``` after", "code after"],
  ["2 * 3 * 4, snake_case_name", "2 * 3 * 4, snake_case_name"],
  ["*مرحبا* بك", "مرحبا بك"],
  ["", ""],
])("%s in one line", (text, line) => {
  expect(plain(text)).toBe(line);
});
