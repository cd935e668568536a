import { expect, it } from "vitest";
import { differ } from "../src/store/differ";
import { memo } from "../src/views/memo";

/** What a component is when signals has put its own check into the prototype. */
function shown(changed: ((a: unknown, b: unknown) => boolean) | undefined, props: object, next: object): boolean {
  const View = memo(() => null, changed) as unknown as (this: object, props: object) => unknown;
  const self = Object.create({ shouldComponentUpdate: () => true });
  self.props = props;
  View.call(self, props);
  return self.shouldComponentUpdate(next);
}

it("draws again what changed, and what was read again only where it differs", () => {
  const row = { id: "a", unread: 1 };
  expect(shown(undefined, { row }, { row })).toBe(false);
  expect(shown(undefined, { row }, { row: { ...row } })).toBe(true);
  expect(shown(differ, { row }, { row: { ...row } })).toBe(false);
  expect(shown(differ, { row }, { row: { ...row, unread: 2 } })).toBe(true);
  expect(shown(differ, { row, open: false }, { row, open: true })).toBe(true);
});
