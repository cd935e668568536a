/** Small pieces used everywhere: avatars, pictures from the store, menus, dialogs, switches. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { pictures } from "../engine/here";
import type { Size } from "../engine/media";
import { t } from "../i18n/i18n";
import type { Chat, Media, User } from "../sync/wire";
import { isSelf, personName, titleOf } from "./format";
import { Icon, IconButton, type IconName } from "./icon";

/** The object URL of a stored or fetched picture; undefined until it is there, null when it cannot be had. */
export function useMedia(id: string | null | undefined, size: Size, hint?: Media | null, wanted = true) {
  const url = useSignal<string | null | undefined>(id ? pictures.known(id, size) : undefined);
  useEffect(() => {
    if (!id || !wanted) return;
    let live = true;
    url.value = pictures.known(id, size);
    if (!url.value) void pictures.load(id, size, hint).then((found) => live && (url.value = found));
    return () => {
      live = false;
    };
  }, [id, size, wanted]);
  return url.value;
}

function hue(id: string): number {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) % 360;
  return sum;
}

/** Which of the twelve tints a person or chat has. */
export function tint(id: string): string {
  return `tint-${hue(id) % 12}`;
}

function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => /^[\p{L}\p{N}]/u.test(word));
  return [words[0], words.length > 1 ? words.at(-1) : ""]
    .map((word) => [...(word ?? "")][0] ?? "")
    .join("")
    .toUpperCase();
}

export function Avatar(props: {
  id: string;
  name: string;
  media?: Media | null | undefined;
  icon?: IconName | undefined;
  size?: "s" | "m" | "l" | "xl";
  online?: boolean;
}) {
  const url = useMedia(props.media?.id, "thumb", props.media);
  const letters = initials(props.name);
  return (
    <span class={`avatar avatar-${props.size ?? "m"} ${tint(props.id)}`} aria-hidden="true">
      {url ? (
        <img src={url} alt="" />
      ) : props.icon || !letters ? (
        <Icon name={props.icon ?? "user"} />
      ) : (
        <span>{letters}</span>
      )}
      {props.online && <span class="dot" />}
    </span>
  );
}

export function ChatAvatar({ chat, size, online }: { chat: Chat; size?: "s" | "m" | "l" | "xl"; online?: boolean }) {
  const media = chat.type === "group" ? chat.avatar : chat.peer?.avatar;
  const icon = isSelf(chat) ? "edit" : chat.type === "group" && !chat.name ? "users" : undefined;
  const more = { ...(size ? { size } : {}), ...(online ? { online } : {}) };
  return <Avatar id={chat.peer?.id ?? chat.id} name={titleOf(chat)} media={media} icon={icon} {...more} />;
}

export function PersonAvatar({ user, size }: { user: User; size?: "s" | "m" | "l" | "xl" }) {
  return <Avatar id={user.id} name={personName(user)} media={user.avatar} {...(size ? { size } : {})} />;
}

export interface MenuItem {
  icon: IconName;
  label: string;
  run(): void;
  danger?: boolean;
}

/** A menu at a point or under an element. Arrow keys walk it, Esc closes it, focus goes back where it was. */
export function Menu(props: {
  items: (MenuItem | false | null | undefined)[];
  at: { x: number; y: number };
  onClose(): void;
  head?: ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const menu = box.current!;
    const before = document.activeElement as HTMLElement | null;
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

/** A button that opens a menu. */
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

/** A modal: focus stays inside, Esc and the backdrop close it. */
export function Dialog(props: {
  title: string;
  onClose(): void;
  children: ComponentChildren;
  foot?: ComponentChildren;
  class?: string;
}) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = box.current!;
    if (!dialog.open) dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={box}
      class={`dialog ${props.class ?? ""}`}
      aria-label={props.title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => event.target === event.currentTarget && props.onClose()}
    >
      <div class="dialog-body">
        <header>
          <h2>{props.title}</h2>
          <IconButton icon="close" label={t("close")} onClick={props.onClose} />
        </header>
        <div class="dialog-content">{props.children}</div>
        {props.foot && <footer>{props.foot}</footer>}
      </div>
    </dialog>
  );
}

export function Confirm(props: {
  title: string;
  text: string;
  actions: { label: string; danger?: boolean; run(): void }[];
  onClose(): void;
}) {
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      class="narrow"
      foot={
        <>
          <button type="button" class="button quiet" onClick={props.onClose}>
            {t("cancel")}
          </button>
          {props.actions.map((action) => (
            <button
              type="button"
              key={action.label}
              class={`button ${action.danger ? "danger" : ""}`}
              onClick={() => {
                props.onClose();
                action.run();
              }}
            >
              {action.label}
            </button>
          ))}
        </>
      }
    >
      <p>{props.text}</p>
    </Dialog>
  );
}

export function Switch(props: {
  label: string;
  hint?: string;
  on: boolean;
  onChange(on: boolean): void;
  disabled?: boolean;
}) {
  return (
    <label class="setting">
      <span>
        {props.label}
        {props.hint && <small>{props.hint}</small>}
      </span>
      <input
        type="checkbox"
        role="switch"
        checked={props.on}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
    </label>
  );
}

export function Empty(props: { icon: IconName; title: string; text?: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={props.icon} />
      </span>
      <h2>{props.title}</h2>
      {props.text && <p>{props.text}</p>}
      {props.children}
    </div>
  );
}

/** Something of the app is not here: it can be opened anew. */
export function Broken() {
  return (
    <Empty icon="alert" title={t("error_unreachable")}>
      <button type="button" class="button" onClick={() => location.reload()}>
        {t("retry")}
      </button>
    </Empty>
  );
}

export function Spinner() {
  return <span class="spinner" role="status" aria-label={t("loading")} />;
}

/** The head of a panel: Back, a title, and what stands at its end. */
export function PanelHead(props: { title: string; onBack(): void; children?: ComponentChildren }) {
  return (
    <header class="panel-head">
      <IconButton icon="back" label={t("back")} onClick={props.onBack} class="flip" />
      <h1>{props.title}</h1>
      {props.children}
    </header>
  );
}

/** Up and down arrows move between the elements of a list. */
export function rove(event: KeyboardEvent, selector: string): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const items = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>(selector)];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const next = items[Math.max(0, Math.min(items.length - 1, at + step))];
  if (next && next !== document.activeElement) {
    event.preventDefault();
    next.focus();
  }
}
