/** Every file of tests/scenarios holds for this core, as it does for the Python one. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Core } from "../src/sync/core";
import type { Effect, Input, Op, State } from "../src/sync/model";

interface Scenario {
  rule: string;
  start: State;
  steps: { given: Input; at: number; ops: Op[]; effects: Effect[] }[];
}

const folder = join(import.meta.dirname, "../../tests/scenarios");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

/** Absent and null are the same. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field != null)
      .map(([name, field]) => [name, plain(field)]),
  );
}

describe("scenarios", () => {
  test("there are scenarios", () => expect(files.length).toBeGreaterThan(40));

  test.each(files)("%s", (name) => {
    const scenario = JSON.parse(readFileSync(join(folder, name), "utf8")) as Scenario;
    const core = new Core(scenario.start);
    for (const [number, step] of scenario.steps.entries()) {
      const found = core.handle(step.given, step.at);
      const what = `${scenario.rule}: step ${number}`;
      expect(plain(found.ops), what).toEqual(plain(step.ops));
      expect(plain(found.effects), what).toEqual(plain(step.effects));
    }
  });
});
