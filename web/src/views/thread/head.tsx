/** The head of a thread: who, whether they are here, and what can be done with the chat. */

import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { setSettings } from "../../engine/chosen";
import { me, people, presence, typing } from "../../engine/state";
import { list, t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { firstName, isSelf, lastSeen, nameOf, titleOf } from "../format";
import { IconButton } from "../icon";
import { muteItems } from "../list/mute";
import { MenuButton } from "../menubutton";
import { ChatAvatar } from "../parts";
import { back, go } from "../route";
import { FindBar } from "./find";
import type { ThreadState } from "./thread";

export function Head({ row, state }: { row: ChatRow; state: ThreadState }) {
  const { chat } = row;
  useEffect(() => {
    if (chat.peer && !isSelf(chat)) void actions.refreshPerson(chat.peer.id).catch(() => undefined);
  }, [row.id]);
  const set = (fields: Partial<typeof chat.settings>) => void setSettings(row.id, fields);
  if (state.find.value !== null) return <FindBar row={row} state={state} />;
  return (
    <header class="thread-head">
      <IconButton icon="back" label={t("back")} onClick={() => back("/")} class="flip only-narrow" />
      <button type="button" class="who" onClick={() => go(`/chat/${row.id}/info`)}>
        <ChatAvatar chat={chat} size="s" />
        <span class="who-text">
          <b dir="auto">{titleOf(chat)}</b>
          <Under row={row} />
        </span>
      </button>
      <IconButton icon="search" label={t("searchInChat")} onClick={() => (state.find.value = "")} />
      <MenuButton
        label={t("menu")}
        items={() => [
          {
            icon: "info",
            label: chat.type === "group" ? t("groupInfo") : t("chatInfo"),
            run: () => go(`/chat/${row.id}/info`),
          },
          ...muteItems(row, set),
          {
            icon: chat.settings.archived ? "unarchive" : "archive",
            label: chat.settings.archived ? t("unarchive") : t("archive"),
            run: () => set({ archived: !chat.settings.archived }),
          },
          {
            icon: "chat",
            label: t("markUnread"),
            run: () => {
              set({ markedUnread: true });
              go("/");
            },
          },
        ]}
      />
    </header>
  );
}

function Under({ row }: { row: ChatRow }) {
  const { chat } = row;
  const typers = typing.value.get(row.id);
  if (typers?.length)
    return (
      <small class="typing-text">
        {chat.type === "group"
          ? t("typingNames", { n: typers.length, who: list(typers.slice(0, 3).map((id) => firstName(nameOf(id)))) })
          : t("typing")}
      </small>
    );
  if (chat.type === "group")
    return (
      <small>
        {chat.membership === "member"
          ? t("members", { n: chat.memberCount })
          : t(chat.membership === "left" ? "youLeft" : "youWereRemoved")}
      </small>
    );
  if (isSelf(chat)) return <small>{t("notesHint")}</small>;
  if (!chat.peer) return null;
  const peer = people.value.get(chat.peer.id) ?? chat.peer;
  if (peer.isBlocked) return <small>{t("blocked")}</small>;
  const seen = presence.value.get(peer.id) ?? { online: false, lastSeen: peer.lastSeen };
  const text = me.value ? lastSeen(seen) : "";
  return text ? <small class={seen.online ? "online" : ""}>{text}</small> : null;
}
