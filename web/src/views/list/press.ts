/** A touch that is held on a row of a list: iOS tells of none, so it is timed here. */

const LONG_MS = 450;
const STILL_PX = 8;
const CLICK_MS = 400; // after the touch has ended, if it comes at all

/** Handlers for the list. `open` is given the row's `data-id` and where it is touched; the click that may follow is none. */
export function onLongPress(open: (id: string, x: number, y: number) => void) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let from = { x: 0, y: 0 };
  let opened = false;
  const end = () => {
    clearTimeout(timer);
    if (opened) setTimeout(() => (opened = false), CLICK_MS);
  };
  return {
    onPointerDown(event: PointerEvent) {
      clearTimeout(timer);
      opened = false;
      const id = (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id;
      if (event.pointerType !== "touch" || !id) return;
      from = { x: event.clientX, y: event.clientY };
      timer = setTimeout(() => {
        opened = true;
        navigator.vibrate?.(8);
        open(id, from.x, from.y);
      }, LONG_MS);
    },
    onPointerMove(event: PointerEvent) {
      if (Math.hypot(event.clientX - from.x, event.clientY - from.y) > STILL_PX) end();
    },
    onPointerUp: end,
    onPointerCancel: end,
    onClickCapture(event: MouseEvent) {
      if (!opened || !(event.target as HTMLElement).closest("[data-id]")) return;
      opened = false;
      event.preventDefault();
      event.stopPropagation();
    },
  };
}
