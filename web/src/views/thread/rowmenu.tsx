/** What can be done with one message, and the questions asked before some of it. */

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import * as actions from "../../engine/actions";
import { star } from "../../engine/chosen";
import { failure } from "../../engine/here";
import { me, now, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow, Row } from "../../store/schema";
import { textOf } from "../../store/text";
import { Confirm } from "../dialog";
import { refusal } from "../format";
import type { MenuItem } from "../menu";
import type { ThreadState } from "./thread";

const EDIT_MS = 15 * 60_000;
const DELETE_MS = 48 * 3_600_000;

export type Ask =
  | { what: "delete"; rows: Row[]; own: boolean }
  | { what: "forward"; rows: Row[] }
  | { what: "info"; row: Row }
  | { what: "emoji"; row: Row };

export const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

export function copy(text: string): void {
  navigator.clipboard.writeText(text).then(
    () => say(t("copied")),
    () => say(t("error_internal")),
  );
}

export async function starAll(rows: Row[], on: boolean): Promise<void> {
  const ids = rows.map((row) => row.id);
  if (await star(ids, on)) say(on ? t("starredDone", { n: rows.length }) : t("unstarredDone")); // else it was told why
}

export function mayWrite(chat: ChatRow["chat"]): boolean {
  return (
    chat.membership === "member" &&
    (chat.type === "direct" || chat.permissions.send === "all" || chat.myRole !== "member")
  );
}

export function itemsOf(row: Row, chat: ChatRow, state: ThreadState): (MenuItem | false)[] {
  const { message } = row;
  const mine = message.senderId === me.value?.id;
  const stored = row.state === "stored" && message.messageId !== null;
  const gone = Boolean(message.deletedAt);
  const age = now() - Date.parse(message.createdAt);
  const text = textOf(message.content);
  const kind = message.content?.kind;
  const editable = kind === "text" || kind === "image" || kind === "video" || kind === "document";
  const pinned = chat.chat.pinnedMessageIds?.includes(row.id) ?? false;
  const failed = row.state === "failed";
  const pin = () => actions.pin(row, !pinned).catch((error) => say(refusal(failure(error).code)));
  return [
    failed && { icon: "retry", label: t("retry"), run: () => void actions.retry(row) },
    stored &&
      !gone &&
      mayWrite(chat.chat) && { icon: "reply", label: t("reply"), run: () => (state.replyTo.value = row) },
    text !== "" && !gone && { icon: "copy", label: t("copy"), run: () => copy(text) },
    stored &&
      mine &&
      !gone &&
      editable &&
      age < EDIT_MS && {
        icon: "edit",
        label: t("edit"),
        run: () => (state.editing.value = row),
      },
    stored &&
      !gone && {
        icon: "forward",
        label: t("forward"),
        run: () => (state.ask.value = { what: "forward", rows: [row] }),
      },
    stored &&
      !gone && {
        icon: message.starred ? "unstar" : "star",
        label: message.starred ? t("unstar") : t("star"),
        run: () => starAll([row], !message.starred),
      },
    stored &&
      !gone &&
      mayWrite(chat.chat) && {
        icon: pinned ? "unpin" : "pin",
        label: pinned ? t("unpin") : t("pinMessage"),
        run: () => void pin(),
      },
    stored &&
      mine &&
      !gone && { icon: "info", label: t("messageInfo"), run: () => (state.ask.value = { what: "info", row }) },
    { icon: "select", label: t("select"), run: () => state.select(row) },
    stored
      ? {
          icon: "trash",
          label: t("delete"),
          danger: true,
          run: () => (state.ask.value = { what: "delete", rows: [row], own: mine && !gone && age < DELETE_MS }),
        }
      : { icon: "trash", label: t("discard"), danger: true, run: () => void actions.discard(row) },
  ];
}

export function Asked({ ask, state, onClose }: { ask: Ask; state: ThreadState; onClose(): void }) {
  if (ask.what === "delete") {
    const remove = (whom: "everyone" | "me") => {
      for (const row of ask.rows) void (row.message.messageId ? actions.remove(row, whom) : actions.discard(row));
      state.selected.value = null;
    };
    return (
      <Confirm
        title={t("deleteTitle", { n: ask.rows.length })}
        text={ask.own ? t("deleteTextOwn") : t("deleteText")}
        onClose={onClose}
        actions={[
          ...(ask.own ? [{ label: t("deleteForEveryone"), danger: true, run: () => remove("everyone") }] : []),
          { label: t("deleteForMe"), danger: true, run: () => remove("me") },
        ]}
      />
    );
  }
  return <Lazy ask={ask} state={state} onClose={onClose} />;
}

type View = ComponentType<{ ask: Ask; state: ThreadState; onClose(): void }>;

function Lazy(props: { ask: Ask; state: ThreadState; onClose(): void }) {
  const [view, setView] = useState<{ View: View } | null>(null);
  useEffect(() => {
    import("./asked").then(
      (module) => setView({ View: module.AskedMore }),
      () => {
        say(t("error_unreachable"));
        props.onClose();
      },
    );
  }, []);
  return view && <view.View {...props} />;
}
