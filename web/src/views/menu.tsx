/** A menu. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icon";
import { isPaletteKey } from "./keys";
import { useLayer } from "./layer";

export interface MenuItem {
  icon: IconName;
  label: string;
  run(): void;
  danger?: boolean;
}

/** A menu at a point or under an element. Arrow keys walk it, Esc and Back close it, focus goes back where it was. */
export function Menu(props: {
  items: (MenuItem | false | null | undefined)[];
  at: { x: number; y: number };
  onClose(): void;
  head?: ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [before] = useState(() => document.activeElement as HTMLElement | null);
  useLayer(props.onClose);
  useLayoutEffect(() => {
    const menu = box.current!;
    menu.parentElement!.showPopover();
    const { width, height } = menu.getBoundingClientRect();
    const rtl = document.documentElement.dir === "rtl";
    const x = rtl ? props.at.x - width : props.at.x;
    menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(props.at.y, innerHeight - height - 8))}px`;
    menu.classList.add("open");
    menu.querySelector<HTMLElement>("[role^=menuitem]")?.focus();
    return () => {
      if (document.activeElement === document.body || menu.contains(document.activeElement)) before?.focus();
    };
  }, []);
  const walk = (event: KeyboardEvent) => {
    if (isPaletteKey(event)) return props.onClose();
    const items = [...box.current!.querySelectorAll<HTMLElement>("[role^=menuitem]")];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (next === undefined && event.key !== "Escape" && event.key !== "Tab") return;
    event.preventDefault();
    event.stopPropagation(); // a list that it lies in would go on from row to row
    if (next === undefined) props.onClose();
    else items[(next + items.length) % items.length]?.focus();
  };
  return (
    <div
      class="menu-backdrop"
      popover="manual" // above everything, wherever its place in the document is moved or clipped
      onPointerDown={(event) => event.target === event.currentTarget && props.onClose()}
    >
      <div class="menu" role="menu" ref={box} onKeyDown={walk}>
        {props.head}
        {props.items.map(
          (item) =>
            item && (
              <button
                type="button"
                role="menuitem"
                key={item.label}
                class={item.danger ? "danger" : ""}
                onClick={() => {
                  props.onClose();
                  before?.focus(); // before it runs: that may ask something, and give focus back to who had it
                  item.run();
                }}
              >
                <Icon name={item.icon} />
                {item.label}
              </button>
            ),
        )}
      </div>
    </div>
  );
}
