/** Small pieces used everywhere: avatars, pictures from the store, what stands where there is nothing. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { pictures } from "../engine/here";
import type { Size } from "../engine/media";
import { t } from "../i18n/i18n";
import type { Chat, Media, User } from "../sync/wire";
import { isSelf, personName, titleOf } from "./format";
import { Icon, type IconName } from "./icon";

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
