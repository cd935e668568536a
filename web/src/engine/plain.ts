/** Tabs that write in the clear share a Web Lock: where there is one, no lock of the store is set (see lock.ts). */

let inside: Promise<void> | null = null;
let leave: (() => void) | null = null;

/** Answers when this tab may: a lock that is just being set comes first, and is found then. */
export function enterPlain(): Promise<void> {
  inside ??= new Promise((entered) => {
    if (!navigator.locks)
      entered(); // nor can a lock be set then
    else {
      const held = () => {
        entered();
        return new Promise<void>((resolve) => {
          leave = resolve;
        });
      };
      navigator.locks.request("tidings-plain", { mode: "shared" }, held).catch(() => entered());
    }
  });
  return inside;
}

export function leavePlain(): void {
  leave?.();
  leave = inside = null;
}
