/** The chat list: order, filters, search, and what is going on in each chat. */

import { computed, signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { drafts, isMuted, link, loaded, me, now, ordered, people, presence, typing, wrote } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { differ } from "../../store/differ";
import type { ChatRow } from "../../store/schema";
import { Connection } from "../connection";
import { brief, firstName, isSelf, nameOf, previewOf, tickOf, titleOf } from "../format";
import { Icon, IconButton } from "../icon";
import { rove } from "../keys";
import { lazy } from "../lazy";
import { memo } from "../memo";
import { MenuButton } from "../menubutton";
import { Avatar, ChatAvatar, Empty } from "../parts";
import { chatId, go } from "../route";
import { Tick } from "../thread/tick";
import type { At } from "./chatmenu";
import { onLongPress } from "./press";

const ChatMenu = lazy(() => import("./chatmenu").then((module) => module.ChatMenu), { blank: true });
const Question = lazy(() => import("./question").then((module) => module.Question), { blank: true });
const Results = lazy(() => import("./results").then((module) => module.Results));

const ROW_PX = 64; // or more
const MORE_ROWS = 30; // drawn as they are scrolled to; at first two screens
const NEAR_PX = 1_500;
const twoScreens = () => Math.ceil((2 * innerHeight) / ROW_PX);

type Filter = "all" | "unread" | "groups" | "archived";
const filter = signal<Filter>("all");
const query = signal("");

const shown = computed(() =>
  ordered.value.filter((row) => {
    const { settings, type } = row.chat;
    if (filter.value === "archived") return settings.archived;
    if (settings.archived) return false;
    if (filter.value === "unread") return row.unread > 0 || settings.markedUnread || row.id === chatId.value;
    return filter.value !== "groups" || type === "group";
  }),
);
const archived = computed(() => ordered.value.filter((row) => row.chat.settings.archived).length);

export function ChatList() {
  const box = useRef<HTMLInputElement>(null);
  const mine = me.value;
  return (
    <div class="panel">
      <header class="list-head">
        <button
          type="button"
          class="me"
          aria-label={t("settings")}
          title={t("settings")}
          onClick={() => go("/settings")}
        >
          <Avatar id={mine?.id ?? ""} name={mine?.name ?? ""} media={mine?.avatar} size="s" />
        </button>
        <h1>{t("chats")}</h1>
        <IconButton icon="compose" label={t("newChat")} onClick={() => go("/new")} />
        <MenuButton
          label={t("menu")}
          items={() => [
            { icon: "users", label: t("newGroup"), run: () => go("/new/group") },
            { icon: "star", label: t("starredMessages"), run: () => go("/starred") },
            { icon: "settings", label: t("settings"), run: () => go("/settings") },
          ]}
        />
      </header>
      <div class="search">
        <Icon name="search" />
        <input
          ref={box}
          type="search"
          autoComplete="off"
          placeholder={t("searchAll")}
          aria-label={t("searchAll")}
          value={query.value}
          onInput={(event) => (query.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape" && query.value) {
              event.stopPropagation();
              query.value = "";
            }
          }}
        />
        {query.value && (
          <IconButton
            icon="close"
            label={t("clear")}
            onClick={() => {
              query.value = "";
              box.current?.focus();
            }}
          />
        )}
      </div>
      <Connection />
      {wrote.value && <Question />}
      {query.value.trim() ? <Results query={query.value.trim()} onOpen={() => (query.value = "")} /> : <Chats />}
    </div>
  );
}

function Chats() {
  const rows = shown.value;
  const most = useSignal(twoScreens());
  const box = useRef<HTMLDivElement>(null);
  const held = useRef(""); // the chat whose row has focus
  const grow = () => {
    const { scrollHeight = 0, scrollTop = 0, clientHeight = 0 } = box.current ?? {};
    if (scrollHeight - scrollTop - clientHeight < NEAR_PX && most.value < shown.peek().length) most.value += MORE_ROWS;
  };
  useEffect(() => {
    const resized = () => {
      most.value = Math.max(most.value, twoScreens());
    };
    const elsewhere = () => (held.current = ""); // a row that is touched gets focus after it
    addEventListener("resize", resized);
    addEventListener("pointerdown", elsewhere, true);
    return () => {
      removeEventListener("resize", resized);
      removeEventListener("pointerdown", elsewhere, true);
    };
  }, []);
  const drawn = rows.slice(0, most.value);
  useLayoutEffect(() => box.current?.scrollTo(0, 0), [filter.value]);
  const before = useRef(drawn);
  useLayoutEffect(() => {
    const at = before.current.findIndex(({ id }) => id === held.current);
    before.current = drawn;
    // Archived, or read: the row that took its place is next.
    if (at >= 0 && document.activeElement === document.body && !drawn.some(({ id }) => id === held.current))
      links()[Math.min(at, drawn.length - 1)]?.focus({ preventScroll: true });
  }, [rows]);
  const links = () => [...(box.current?.querySelectorAll<HTMLElement>(".chat-row > a") ?? [])];
  const keys = (event: KeyboardEvent) => {
    if (event.key === "End" && drawn.length < rows.length) {
      event.preventDefault();
      most.value = rows.length;
      requestAnimationFrame(() => links().at(-1)?.focus());
    } else rove(event, ".chat-row > a");
  };
  useEffect(() => {
    const nameless = drawn.flatMap(({ chat, last }) => {
      const id = chat.type === "group" ? last?.message.senderId : null;
      return id && !people.peek().has(id) ? [id] : [];
    });
    if (nameless.length && link.value === "online")
      void import("../../engine/actions").then(({ meet }) => meet(nameless)).catch(() => undefined);
  }, [rows, most.value, link.value]);
  const today = new Date(now()).toDateString();
  const filters: [Filter, string][] = [
    ["all", t("filterAll")],
    ["unread", t("filterUnread")],
    ["groups", t("filterGroups")],
  ];
  if (archived.value || filter.value === "archived") filters.push(["archived", t("filterArchived")]);
  return (
    <>
      <div class="filters" role="group" aria-label={t("filter")}>
        {filters.map(([name, label]) => (
          <button type="button" key={name} aria-pressed={filter.value === name} onClick={() => (filter.value = name)}>
            {label}
          </button>
        ))}
      </div>
      {rows.length ? (
        <div
          class="chats"
          role="list"
          aria-label={t("chats")}
          onKeyDown={keys}
          onFocusIn={(event) =>
            (held.current = (event.target as HTMLElement).closest<HTMLElement>("[data-id]")?.dataset.id ?? "")
          }
          ref={box}
          onScroll={grow}
          {...press}
        >
          {drawn.map((row) => (
            <ChatRowView key={row.id} row={row} open={chatId.value === row.id} muted={isMuted(row)} today={today} />
          ))}
          <RowMenu />
        </div>
      ) : filter.value !== "all" ? (
        <Empty icon="search" title={t("nothingHere")} text={filter.value === "archived" ? t("nothingArchived") : ""} />
      ) : loaded.value || link.value === "online" ? (
        <Empty icon="chat" title={t("noChatsTitle")} text={t("noChatsText")}>
          <button type="button" class="button" onClick={() => go("/new")}>
            <Icon name="compose" /> {t("newChat")}
          </button>
        </Empty>
      ) : link.value === "offline" || link.value === "waiting" ? (
        <Empty icon="offline" title={t("notYet")} text={t("notYetText")} />
      ) : (
        <div class="chats skeleton" aria-hidden="true">
          {[...Array(8).keys()].map((n) => (
            <div key={n} class="chat-row">
              <span class="avatar avatar-m" />
              <span class="bones" />
            </div>
          ))}
        </div>
      )}
    </>
  );
}

interface Shown {
  row: ChatRow;
  open: boolean;
  muted: boolean;
  today: string;
}

/** `today`: the day by which times are told; on another one the row is drawn again. */
const ChatRowView = memo(function ChatRowView({ row, open, muted }: Shown) {
  const { chat } = row;
  // Computed, so that a row is drawn again for its own chat alone.
  const typers = useComputed(() => typing.value.get(chat.id)).value;
  const written = useComputed(() => drafts.value.get(chat.id)).value;
  const seen = useComputed(() => presence.value.get(chat.peer?.id ?? "")).value;
  const draft = open ? undefined : written;
  const badge = row.unread || (chat.settings.markedUnread ? "" : null);
  const peer = chat.type === "direct" && !isSelf(chat) ? seen : undefined;
  const title = titleOf(chat);
  return (
    <div
      class={`chat-row ${open ? "open" : ""} ${badge !== null ? "unread" : ""}`}
      role="listitem"
      data-id={row.id}
      onContextMenu={(event) => {
        event.preventDefault();
        if (Date.now() - touched > TOUCH_MS) openMenu(row.id, event.clientX, event.clientY);
      }}
    >
      <a
        href={`/chat/${row.id}`}
        aria-current={open ? "page" : undefined}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          go(`/chat/${row.id}`);
        }}
      >
        <ChatAvatar chat={chat} online={peer?.online ?? false} />
        <span class="chat-text">
          <span class="chat-top">
            <span class="chat-name" dir="auto">
              {title}
            </span>
            <time>{brief(row.activity)}</time>
          </span>
          <span class="chat-bottom">
            <span class="chat-preview" dir="auto">
              {typers?.length ? (
                <span class="typing-text">
                  {chat.type === "group" ? t("typingName", { who: firstName(nameOf(typers[0])) }) : t("typing")}
                </span>
              ) : draft ? (
                <>
                  <b class="draft">{t("draft")}</b> {draft.text}
                </>
              ) : (
                <Preview row={row} />
              )}
            </span>
            {muted && <Icon name="muted" />}
            {chat.settings.pinned && <Icon name="pin" />}
            {row.mentioned && (
              <span class="badge at" role="img" aria-label={t("mentioned")}>
                {"@"}
              </span>
            )}
            {badge !== null && (
              <span class={`badge ${muted ? "grey" : ""}`} role="img" aria-label={t("unread", { n: row.unread })}>
                {row.unread > 999 ? "999+" : badge}
              </span>
            )}
          </span>
        </span>
      </a>
      <IconButton
        icon="chevron"
        class="row-menu"
        label={t("menuOf", { name: title })}
        onClick={(event) => {
          const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
          openMenu(row.id, box.left, box.bottom);
        }}
      />
    </div>
  );
}, differ);

const menuAt = signal<(At & { nth: number }) | null>(null);
let opened = 0; // each time it is another menu: one whose part did not load is asked for again
const openMenu = (id: string, x: number, y: number) => {
  menuAt.value = { id, x, y, nth: ++opened };
};

const TOUCH_MS = 1_000; // Android tells of a touch that is held, too, soon after it was timed here
let touched = 0;
const press = onLongPress((id, x, y) => {
  touched = Date.now();
  openMenu(id, x, y);
});

/** Outside of its row, which clips what it holds. */
function RowMenu() {
  const at = menuAt.value;
  return at && <ChatMenu key={at.nth} at={at} onClose={() => (menuAt.value = null)} />;
}

function Preview({ row }: { row: ChatRow }) {
  const { who, text, icon } = previewOf(row);
  const last = row.last;
  if (!last) return <>{row.chat.type === "group" ? t("noMessagesYet") : ""}</>;
  const mine = last.message.senderId === me.value?.id && last.message.kind === "message" && !last.message.deletedAt;
  return (
    <>
      {mine && !isSelf(row.chat) && <Tick tick={tickOf(last, row)} />}
      {who && `${who}: `}
      {icon && <Icon name={icon} />}
      {text}
    </>
  );
}
