/** The chat list: order, filters, search, and what is going on in each chat. */

import { computed, signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { failure, read as markRead, setSettings } from "../../engine/here";
import {
  chats,
  drafts,
  isMuted,
  link,
  loaded,
  me,
  now,
  ordered,
  pending,
  people,
  presence,
  say,
  typing,
  wrote,
} from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { brief, firstName, isSelf, nameOf, previewOf, refusal, tickOf, titleOf } from "../format";
import { Icon, IconButton } from "../icon";
import { install, offer } from "../install";
import { look, setLook } from "../look";
import { memo } from "../memo";
import { canNotify, turnOn } from "../notify";
import { Avatar, ChatAvatar, Empty, Menu, MenuButton, type MenuItem, rove, Spinner } from "../parts";
import { chatId, go } from "../route";
import { Tick } from "../thread/tick";
import { muteItems } from "./mute";
import type { Results as ResultsView } from "./results";

const FIRST_ROWS = 60; // drawn at once; more as they are scrolled to
const MORE_ROWS = 100;
const NEAR_PX = 1_500;

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
      <Question />
      {query.value.trim() ? <LazyResults query={query.value.trim()} onOpen={() => (query.value = "")} /> : <Chats />}
    </div>
  );
}

const results = signal<typeof ResultsView | null>(null);

function LazyResults(props: { query: string; onOpen(): void }) {
  useEffect(() => {
    if (!results.value)
      import("./results").then(
        (module) => (results.value = module.Results),
        () => say(t("error_unreachable")),
      );
  }, []);
  const View = results.value;
  return View ? <View {...props} /> : <Spinner />;
}

/** Honest about the network: whether there is one, and what waits for it. */
function Connection() {
  const waiting = pending.value;
  if (link.value === "online" || link.value === "syncing") return null;
  if (link.value === "connecting" && !waiting) return <div class="bar" aria-hidden="true" />;
  const text = link.value === "offline" ? t("offline") : link.value === "waiting" ? t("unreachable") : t("connecting");
  return (
    <div class="strip" role="status">
      <Icon name="offline" />
      <span>
        {text}
        {waiting > 0 && <small>{t("waiting", { n: waiting })}</small>}
      </span>
    </div>
  );
}

/** Asked once each, one at a time: notifications when something was written to which an answer may come, then installing. */
function Question() {
  const { notify, askedNotify, askedInstall } = look.value;
  if (!wrote.value) return null;
  if (!notify && !askedNotify && canNotify() && Notification.permission === "default") {
    const begin = () => void turnOn().catch((error) => say(refusal(failure(error).code)));
    return <Ask name={t("notifications")} text={t("askNotify")} yes={t("turnOn")} onYes={begin} no="askedNotify" />;
  }
  if (!offer.value || askedInstall) return null;
  return <Ask name={t("install")} text={t("askInstall")} yes={t("install")} onYes={install} no="askedInstall" />;
}

interface Asked {
  name: string;
  text: string;
  yes: string;
  onYes(): void;
  no: "askedNotify" | "askedInstall";
}

function Ask({ name, text, yes, onYes, no }: Asked) {
  return (
    <div class="ask" role="region" aria-label={name}>
      <span>{text}</span>
      <button type="button" class="button small" onClick={onYes}>
        {yes}
      </button>
      <button type="button" class="button quiet small" onClick={() => setLook({ [no]: true })}>
        {t("notNow")}
      </button>
    </div>
  );
}

function Chats() {
  const rows = shown.value;
  const most = useSignal(FIRST_ROWS);
  const drawn = rows.slice(0, most.value);
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
          onKeyDown={(event) => rove(event, ".chat-row > a")}
          onScroll={({ currentTarget: box }) => {
            const rest = box.scrollHeight - box.scrollTop - box.clientHeight;
            if (rest < NEAR_PX && most.value < rows.length) most.value += MORE_ROWS;
          }}
        >
          {drawn.map((row) => (
            <ChatRowView key={row.id} row={row} open={chatId.value === row.id} today={today} />
          ))}
          <RowMenu />
        </div>
      ) : filter.value !== "all" ? (
        <Empty icon="search" title={t("nothingHere")} />
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

function itemsOf(row: ChatRow): (MenuItem | false)[] {
  const { settings } = row.chat;
  const set = (fields: Partial<typeof settings>) =>
    void setSettings(row, fields).catch((error) => say(refusal(failure(error).code)));
  const unread = row.unread > 0 || settings.markedUnread;
  return [
    {
      icon: settings.pinned ? "unpin" : "pin",
      label: settings.pinned ? t("unpinChat") : t("pinChat"),
      run: () => set({ pinned: !settings.pinned }),
    },
    ...muteItems(row, set),
    unread
      ? {
          icon: "check",
          label: t("markRead"),
          run: () => {
            if (settings.markedUnread) set({ markedUnread: false });
            void markRead(row.id, Math.max(row.chat.lastSeq, row.last?.message.seq ?? 0));
          },
        }
      : { icon: "chat", label: t("markUnread"), run: () => set({ markedUnread: true }) },
    {
      icon: settings.archived ? "unarchive" : "archive",
      label: settings.archived ? t("unarchive") : t("archive"),
      run: () => set({ archived: !settings.archived }),
    },
  ];
}

/** `today`: the day by which times are told; on another one the row is drawn again. */
const ChatRowView = memo(function ChatRowView({ row, open }: { row: ChatRow; open: boolean; today: string }) {
  const { chat } = row;
  // Computed, so that a row is drawn again for its own chat alone.
  const typers = useComputed(() => typing.value.get(chat.id)).value;
  const written = useComputed(() => drafts.value.get(chat.id)).value;
  const seen = useComputed(() => presence.value.get(chat.peer?.id ?? "")).value;
  const draft = open ? undefined : written;
  const muted = isMuted(row);
  const badge = row.unread || (chat.settings.markedUnread ? "" : null);
  const peer = chat.type === "direct" && !isSelf(chat) ? seen : undefined;
  const title = titleOf(chat);
  const press = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(press.current), []);
  return (
    <div
      class={`chat-row ${open ? "open" : ""} ${badge !== null ? "unread" : ""}`}
      role="listitem"
      onContextMenu={(event) => {
        event.preventDefault();
        menuAt.value = { id: row.id, x: event.clientX, y: event.clientY };
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
          menuAt.value = { id: row.id, x: box.left, y: box.bottom };
        }}
      />
    </div>
  );
});

const menuAt = signal<{ id: string; x: number; y: number } | null>(null);

/** Outside of its row, which clips what it holds. */
function RowMenu() {
  const at = menuAt.value;
  const row = at && chats.value.get(at.id);
  return row ? <Menu items={itemsOf(row)} at={at} onClose={() => (menuAt.value = null)} /> : null;
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
