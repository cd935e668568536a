/** Where focus is when a page took the place of another. */

import { landing } from "./route";

/** Focus that went with what had it is given to what it belongs to here. Called when a page, or a part of it, is drawn. */
export function land(): void {
  if (document.activeElement && document.activeElement !== document.body) return;
  for (const selector of landing()) {
    const found = selector ? document.querySelectorAll<HTMLElement>(selector) : [];
    for (const one of found) {
      one.focus({ preventScroll: true }); // the list stays where it was scrolled to
      if (document.activeElement === one) return;
    }
  }
}
