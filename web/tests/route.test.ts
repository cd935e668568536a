/** Pages and what lies on them, over a history like a browser's: Back closes the topmost, then leaves the page. */

import fc from "fast-check";
import { expect, test, vi } from "vitest";

/** Moves later than it is asked to, and tells of it. */
class FakeHistory {
  entries: { state: unknown; path: string }[] = [{ state: null, path: "/" }];
  at = 0;
  moves: number[] = [];
  listener: (event: { state: unknown }) => void = () => undefined;

  get state(): unknown {
    return this.entries[this.at]!.state;
  }
  get path(): string {
    return this.entries[this.at]!.path;
  }
  pushState(state: unknown, _: string, path = this.path): void {
    this.entries.splice(++this.at, Infinity, { state, path });
  }
  replaceState(state: unknown, _: string, path = this.path): void {
    this.entries[this.at] = { state, path };
  }
  go(by: number): void {
    this.moves.push(by);
  }
  back(): void {
    this.go(-1);
  }
  async rest(): Promise<void> {
    for (let i = 0; i < 6; i++) {
      await new Promise((resolve) => setTimeout(resolve));
      const by = this.moves.shift();
      if (by === undefined || !this.entries[this.at + by]) continue;
      this.at += by;
      this.listener({ state: this.state });
    }
    expect(this.moves).toEqual([]);
  }
}

async function begin(history: FakeHistory) {
  vi.resetModules();
  vi.stubGlobal("history", history);
  vi.stubGlobal("location", Object.defineProperty({}, "pathname", { get: () => history.path }));
  vi.stubGlobal("document", { activeElement: null });
  vi.stubGlobal("addEventListener", (_: string, listener: FakeHistory["listener"]) => (history.listener = listener));
  return await import("../src/views/route");
}

const step = fc.oneof(
  fc.constantFrom("open" as const, "close" as const, "Back" as const, "back" as const, "backTwice" as const),
  fc.constantFrom("open" as const, "go" as const, "replace" as const, "swap" as const, "reload" as const),
);

test("Back closes what lies on the page, then leaves it, whatever was opened and closed before", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 20, size: "max" }), async (steps) => {
      const history = new FakeHistory();
      let route = await begin(history);
      const pages = ["/"];
      let open: { name: number; close(): void }[] = [];
      let made = 0;
      const lay = () => {
        const name = made++;
        const over = route.layer(() => (open = open.filter((one) => one.name !== name)));
        open.push({ name, close: over });
      };
      const leave = (work: () => void) => {
        work();
        open = []; // they go with their page, and say so late
      };
      for (const one of steps) {
        const top = open.at(-1);
        switch (one) {
          case "open":
            lay();
            break;
          case "close":
            open.pop()?.close();
            break;
          case "swap": // what is asked by a menu takes its place
            open.pop()?.close();
            lay();
            break;
          case "go":
            pages.push(`/p${made++}`);
            leave(() => route.go(pages.at(-1)!));
            break;
          case "replace":
            pages[pages.length - 1] = `/p${made++}`;
            leave(() => route.go(pages.at(-1)!, true));
            break;
          case "back":
          case "backTwice":
            if (pages.length > 1) pages.pop();
            else if (pages[0] !== "/home") pages[0] = "/home";
            leave(() => route.back("/home"));
            if (one === "backTwice" && history.moves.length) route.back("/home");
            break;
          case "reload":
            open = [];
            route = await begin(history);
            break;
          case "Back": {
            const count = open.length;
            history.go(-1);
            await history.rest();
            if (top) {
              expect(open.length).toBe(count - 1);
              expect(open).not.toContain(top);
            } else if (pages.length > 1) pages.pop();
          }
        }
        await history.rest();
        expect(history.path).toBe(pages.at(-1));
        expect(route.path.value).toBe(pages.at(-1));
      }
    }),
    { numRuns: 60, examples: [[["go", "open", "go", "open", "close", "Back"]]] },
  );
});
