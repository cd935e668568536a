/** What lies on a page and has no address of its own: menus, dialogs, bars. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { layer } from "./route";

/** Back closes it, as long as it is there. */
export function useLayer(close: () => void): void {
  const latest = useRef(close);
  latest.current = close;
  useLayoutEffect(() => layer(() => latest.current()), []);
}
