/** Keys. */

export const isPaletteKey = (event: KeyboardEvent) =>
  (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";

/** Up and down arrows, Home and End move between the elements of a list. */
export function rove(event: KeyboardEvent, selector: string): void {
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (!step || (Math.abs(step) > 1 && (event.target as HTMLElement).localName === "input")) return; // it moves the caret
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(selector)];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const next = items[Math.max(0, Math.min(items.length - 1, at + step))];
  if (next && next !== document.activeElement) {
    event.preventDefault();
    next.focus();
  }
}
