/** A button that opens a menu; the menu itself is loaded then. */

import { useSignal } from "@preact/signals";
import { IconButton, type IconName } from "./icon";
import { lazy } from "./lazy";
import type { MenuItem } from "./menu";

const Menu = lazy(() => import("./menu").then((module) => module.Menu), { blank: true });

export function MenuButton(props: {
  icon?: IconName;
  label: string;
  items: () => (MenuItem | false | null | undefined)[];
}) {
  const at = useSignal<{ x: number; y: number } | null>(null);
  return (
    <>
      <IconButton
        icon={props.icon ?? "more"}
        label={props.label}
        onClick={(event) => {
          const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
          at.value = { x: document.documentElement.dir === "rtl" ? box.right : box.left, y: box.bottom + 4 };
        }}
      />
      {at.value && <Menu items={props.items()} at={at.value} onClose={() => (at.value = null)} />}
    </>
  );
}
