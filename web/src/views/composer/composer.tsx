/** What is written: text, answers, edits, mentions, files, voice. Drafts are kept as one types. */

import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine, failure } from "../../engine/here";
import { drafts, me, people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { textOf, wordsOf } from "../../store/text";
import type { Content, Member } from "../../sync/wire";
import { contentLine, nameOf, personName, refusal } from "../format";
import { Icon, IconButton } from "../icon";
import { look } from "../look";
import { MenuButton } from "../menubutton";
import { PersonAvatar } from "../parts";
import { mayWrite } from "../thread/rowmenu";
import type { ThreadState } from "../thread/thread";
import { leave, taken } from "./left";

const DRAFT_MS = 300;
const LINES_MAX_PX = 180;
const TEXT_MAX = 8192;

type Extra = "emoji" | "files" | "poll" | "place" | "contact" | "voice";
interface ExtraProps {
  row: ChatRow;
  state: ThreadState;
  onClose(): void;
  onPick(text: string): void;
  files: File[];
  asDocument: boolean;
}

const EXTRAS: Record<Extra, () => Promise<ComponentType<ExtraProps>>> = {
  emoji: () => import("./emoji").then((module) => module.EmojiPanel),
  files: () => import("./files").then((module) => module.FilesDialog),
  poll: () => import("./extras").then((module) => module.PollDialog),
  place: () => import("./extras").then((module) => module.PlaceDialog),
  contact: () => import("./extras").then((module) => module.ContactDialog),
  voice: () => import("./voice").then((module) => module.VoiceBar),
};

export function Composer({ row, state, onSent }: { row: ChatRow; state: ThreadState; onSent(): Promise<void> }) {
  const box = useRef<HTMLTextAreaElement>(null);
  const [left] = useState(() => taken(row.id));
  const draft = left ?? drafts.peek().get(row.id);
  const text = useSignal(draft?.text ?? "");
  const extra = useSignal<{ what: Extra; files: File[]; asDocument: boolean } | null>(null);
  const mention = useSignal<{ at: number; query: string; chosen: number } | null>(null);
  const mentioned = useRef(new Map<string, string>()); // name -> id
  const saving = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const saved = useRef<{ text: string | null; replyTo: string | undefined }>({
    text: draft?.text ?? "",
    replyTo: undefined,
  });
  const picker = useRef<HTMLInputElement>(null);
  const picking = useRef<{ asDocument: boolean; sticker: boolean }>({ asDocument: false, sticker: false });

  /** Answers what had to be written. */
  const save = () => {
    clearTimeout(saving.current);
    if (state.editing.peek()) return;
    const replyTo = state.replyTo.peek()?.message.messageId ?? undefined;
    if (saved.current.text === text.peek() && saved.current.replyTo === replyTo) return;
    taken(row.id); // what was left of it is older
    const kept = { text: text.peek(), replyTo };
    saved.current = kept;
    const given = { chatId: row.id, text: kept.text, at: Date.now(), ...(replyTo ? { replyTo } : {}) };
    engine.store.putDraft(given).catch(() => {
      if (saved.current === kept) saved.current = { text: null, replyTo }; // no room: again with the next occasion
    });
    return given;
  };
  const grow = () => {
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    if (!text.peek()) return; // one line: to ask how high it is would lay out the whole page
    area.style.height = `${Math.min(area.scrollHeight, LINES_MAX_PX)}px`;
  };

  useEffect(() => {
    const loaded = saved.current;
    if (draft?.replyTo)
      void engine.store.row(draft.replyTo).then((held) => {
        if (!held) return;
        if (saved.current === loaded) saved.current = { ...loaded, replyTo: draft.replyTo };
        state.replyTo.value = held;
      });
    if (matchMedia("(hover: hover)").matches) box.current?.focus();
  }, []);
  useLayoutEffect(() => {
    // before a key can come
    if (left) engine.store.putDraft(left).catch(() => undefined);
    const flush = ({ type }: Event) => {
      if (type !== "pagehide" && document.visibilityState === "visible") return;
      const given = save();
      if (given) leave(given);
    };
    addEventListener("pagehide", flush);
    document.addEventListener("visibilitychange", flush); // of a page that is killed, phones tell no more
    return () => {
      removeEventListener("pagehide", flush);
      document.removeEventListener("visibilitychange", flush);
      save();
      actions.typed(row.id, false);
    };
  }, []);
  useLayoutEffect(grow, [text.value]);
  useLayoutEffect(() => {
    const editing = state.editing.value; // before a key can come: what is written then is not written over
    if (editing) text.value = textOnly(editing.message.content);
    if (editing || state.replyTo.value) box.current?.focus();
  }, [state.editing.value, state.replyTo.value]);

  const change = (value: string) => {
    text.value = value;
    clearTimeout(saving.current);
    saving.current = setTimeout(save, DRAFT_MS);
    if (value.trim()) actions.typed(row.id, true);
    const caret = box.current?.selectionStart ?? value.length;
    const found = row.chat.type === "group" ? /(?:^|\s)@([\p{L}\p{N}]*)$/u.exec(value.slice(0, caret)) : null;
    mention.value = found ? { at: caret - found[1]!.length - 1, query: found[1]!, chosen: 0 } : null;
  };

  const insert = (piece: string) => {
    const area = box.current;
    const start = area?.selectionStart ?? text.value.length;
    const end = area?.selectionEnd ?? start;
    change(text.value.slice(0, start) + piece + text.value.slice(end));
    requestAnimationFrame(() => area?.setSelectionRange(start + piece.length, start + piece.length));
  };

  const submit = async () => {
    const value = text.value.trim();
    const editing = state.editing.value;
    if (editing) {
      state.editing.value = null;
      text.value = drafts.peek().get(row.id)?.text ?? "";
      const next = edited(editing.message.content!, value);
      if (next && textOnly(editing.message.content) !== value) await actions.edit(editing, next);
      return;
    }
    if (!value) return;
    const answered = state.replyTo.value;
    const replyTo = answered?.message.messageId ?? null;
    const mentions = [...mentioned.current].filter(([name]) => value.includes(name)).map(([, id]) => id);
    text.value = "";
    state.replyTo.value = null;
    mentioned.current.clear();
    mention.value = null;
    save();
    actions.typed(row.id, false);
    await onSent(); // where it will stand
    for (let at = 0; at < value.length; at += TEXT_MAX) {
      const piece = { kind: "text" as const, text: value.slice(at, at + TEXT_MAX) };
      if (await actions.send(row.id, piece, { replyTo: at ? null : replyTo, mentions })) continue;
      change([value.slice(at), text.peek()].filter(Boolean).join("\n")); // no room: it stays here
      state.replyTo.value = at ? null : answered;
      break;
    }
  };

  const takeMention = (user: { id: string; name: string }) => {
    const it = mention.value!;
    const name = `@${user.name}`;
    mentioned.current.set(name, user.id);
    const rest = text.value.slice(it.at + 1 + it.query.length);
    text.value = `${text.value.slice(0, it.at)}${name} ${rest}`;
    mention.value = null;
    box.current?.focus();
    const caret = it.at + name.length + 1;
    requestAnimationFrame(() => box.current?.setSelectionRange(caret, caret));
  };

  const offered = useMembers(row, mention.value?.query);
  const keys = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const choice = mention.value;
    if (choice && offered.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        mention.value = { ...choice, chosen: (choice.chosen + step + offered.length) % offered.length };
        return;
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        takeMention(offered[choice.chosen]!);
        return;
      }
    }
    if (event.key === "Enter" && !event.shiftKey && (look.value.enterSends || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      void submit();
    }
  };
  /** Wherever in it focus is. */
  const escaped = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || event.isComposing) return;
    if (mention.value) mention.value = null;
    else if (extra.value?.what === "emoji") closeExtra();
    else if (extra.value)
      return; // a dialog of its own
    else if (state.editing.value || state.replyTo.value) cancel();
    else return;
    event.preventDefault();
  };
  const closeExtra = () => {
    extra.value = null;
    if (matchMedia("(hover: hover)").matches) box.current?.focus(); // a phone's keyboard would come with it
  };
  const cancel = () => {
    if (state.editing.value) text.value = drafts.peek().get(row.id)?.text ?? "";
    state.editing.value = null;
    state.replyTo.value = null;
    save();
  };

  const give = (files: File[], asDocument = false) => {
    if (files.length) extra.value = { what: "files", files, asDocument };
  };
  const open = (what: Extra) => {
    extra.value = extra.value?.what === what ? null : { what, files: [], asDocument: false };
  };
  const choose = (accept: string, options: { asDocument?: boolean; capture?: boolean; sticker?: boolean } = {}) => {
    const input = picker.current!;
    input.accept = accept;
    input.multiple = !options.sticker && !options.capture;
    if (options.capture) input.setAttribute("capture", "environment");
    else input.removeAttribute("capture");
    picking.current = { asDocument: options.asDocument ?? false, sticker: options.sticker ?? false };
    input.value = "";
    input.click();
  };

  useEffect(() => {
    const thread = box.current?.closest(".thread");
    const over = (event: Event) => {
      if ((event as DragEvent).dataTransfer?.types.includes("Files")) {
        event.preventDefault();
        thread?.classList.add("dropping");
      }
    };
    const leave = () => thread?.classList.remove("dropping");
    const drop = (event: Event) => {
      leave();
      const files = [...((event as DragEvent).dataTransfer?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      give(files);
    };
    thread?.addEventListener("dragover", over);
    thread?.addEventListener("dragleave", leave);
    thread?.addEventListener("drop", drop);
    return () => {
      thread?.removeEventListener("dragover", over);
      thread?.removeEventListener("dragleave", leave);
      thread?.removeEventListener("drop", drop);
    };
  }, []);

  if (row.chat.peer?.isBlocked)
    return (
      <footer class="composer closed">
        <span>{t("youBlocked")}</span>
        <button
          type="button"
          class="button quiet"
          onClick={() =>
            void actions.block(row.chat.peer!.id, false).catch((error) => say(refusal(failure(error).code)))
          }
        >
          {t("unblock")}
        </button>
      </footer>
    );
  if (!mayWrite(row.chat))
    return (
      <footer class="composer closed">
        {row.chat.membership === "member"
          ? t("onlyAdmins")
          : t(row.chat.membership === "left" ? "youLeft" : "youWereRemoved")}
      </footer>
    );
  const above = state.editing.value ?? state.replyTo.value;
  const recording = extra.value?.what === "voice";
  const canRecord = "MediaRecorder" in globalThis && Boolean(navigator.mediaDevices);
  return (
    <footer class="composer" onKeyDown={escaped}>
      {above && (
        <div class="above">
          <Icon name={state.editing.value ? "edit" : "reply"} />
          <span>
            <b dir="auto">{state.editing.value ? t("editing") : nameOf(above.message.senderId)}</b>
            <span dir="auto">{contentLine(above.message.content)}</span>
          </span>
          <IconButton icon="close" label={t("cancel")} onClick={cancel} />
        </div>
      )}
      {mention.value && offered.length > 0 && (
        <div class="mentions" role="listbox" aria-label={t("mention")} id="mentions">
          {offered.map((user, i) => (
            <button
              type="button"
              role="option"
              id={`mention-${i}`}
              key={user.id}
              aria-selected={i === mention.value!.chosen}
              onClick={() => takeMention(user)}
            >
              <PersonAvatar user={user} size="s" />
              <span dir="auto">{personName(user)}</span>
            </button>
          ))}
        </div>
      )}
      {extra.value && (
        <LazyExtra
          key={extra.value.what}
          what={extra.value.what}
          row={row}
          state={state}
          files={extra.value.files}
          asDocument={extra.value.asDocument}
          onClose={closeExtra}
          onPick={insert}
        />
      )}
      {!recording && (
        <form
          class="writer"
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          <IconButton
            icon="smile"
            label={t("emoji")}
            pressed={extra.value?.what === "emoji"}
            onClick={() => open("emoji")}
          />
          {!state.editing.value && (
            <MenuButton
              icon="attach"
              label={t("attach")}
              items={() => [
                { icon: "image", label: t("photosVideos"), run: () => choose("image/*,video/*") },
                { icon: "camera", label: t("camera"), run: () => choose("image/*", { capture: true }) },
                { icon: "file", label: t("document"), run: () => choose("", { asDocument: true }) },
                { icon: "sticker", label: t("sticker"), run: () => choose("image/*", { sticker: true }) },
                { icon: "poll", label: t("poll"), run: () => open("poll") },
                "geolocation" in navigator && { icon: "place", label: t("location"), run: () => open("place") },
                { icon: "user", label: t("contact"), run: () => open("contact") },
              ]}
            />
          )}
          <textarea
            ref={box}
            rows={1}
            dir="auto"
            autoComplete="off" // else browsers write it down themselves, to restore the page
            value={text.value}
            placeholder={t("writeMessage")}
            aria-label={t("writeMessage")}
            aria-controls={mention.value ? "mentions" : undefined}
            aria-activedescendant={mention.value && offered.length ? `mention-${mention.value.chosen}` : undefined}
            enterkeyhint={look.value.enterSends ? "send" : "enter"}
            onInput={(event) => change(event.currentTarget.value)}
            onKeyDown={keys}
            onPaste={(event) => {
              const files = [...(event.clipboardData?.files ?? [])];
              if (files.length) {
                event.preventDefault();
                give(files);
              }
            }}
          />
          {text.value.trim() || state.editing.value || !canRecord ? (
            <button type="submit" class="send" aria-label={t("send")} title={t("send")} disabled={!text.value.trim()}>
              <Icon name={state.editing.value ? "check" : "send"} class={state.editing.value ? "" : "flip"} />
            </button>
          ) : (
            <button
              type="button"
              class="send"
              aria-label={t("recordVoice")}
              title={t("recordVoice")}
              onClick={() => open("voice")}
            >
              <Icon name="mic" />
            </button>
          )}
        </form>
      )}
      <input
        ref={picker}
        type="file"
        hidden
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          if (picking.current.sticker && files[0])
            void import("./sticker").then(({ asSticker }) =>
              asSticker(files[0]!).then(
                (made) => actions.sendFile(row.id, made, state.replyTo.peek()?.message.messageId ?? null).then(onSent),
                () => say(t("error_unsupported_media")),
              ),
            );
          else give(files, picking.current.asDocument);
        }}
      />
    </footer>
  );
}

function LazyExtra({ what, ...props }: ExtraProps & { what: Extra }) {
  const [view, setView] = useState<{ View: ComponentType<ExtraProps> } | null>(null);
  useEffect(() => {
    EXTRAS[what]().then(
      (View) => setView({ View }),
      () => {
        say(t("error_unreachable"));
        props.onClose();
      },
    );
  }, []);
  return view && <view.View {...props} />;
}

/** The part of a content that can be edited. */
function textOnly(content: Content | null): string {
  if (content?.kind === "text") return content.text;
  if (content?.kind === "image" || content?.kind === "video" || content?.kind === "document")
    return content.caption ?? "";
  return textOf(content);
}

function edited(content: Content, text: string): Content | null {
  if (content.kind === "text") return text ? { ...content, text } : null;
  if (content.kind === "image" || content.kind === "video" || content.kind === "document") {
    const { caption: _, ...rest } = content;
    return text ? { ...rest, caption: text } : rest;
  }
  return null;
}

/** Members whose name begins with what was typed after the @. */
function useMembers(row: ChatRow, query: string | undefined) {
  const members = useSignal<Member[]>([]);
  const wanted = query === undefined ? null : row; // read again when the chat changes: they may come after the @
  useEffect(() => {
    if (wanted) void engine.store.members(wanted.id).then((found) => (members.value = found ?? []));
  }, [wanted]);
  if (query === undefined) return [];
  const words = wordsOf(query);
  return members.value
    .map((member) => people.value.get(member.userId) ?? member.user)
    .filter((user) => user !== null)
    .filter(
      (user) =>
        user.id !== me.value?.id && words.every((word) => wordsOf(user.name).some((one) => one.startsWith(word))),
    )
    .slice(0, 6);
}
