/** What can be done with a chat from the list. */

import { setSettings } from "../../engine/chosen";
import { read as markRead } from "../../engine/here";
import { chats } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { Menu, type MenuItem } from "../menu";
import { muteItems } from "./mute";

/** The chat whose menu is open, and where. */
export interface At {
  id: string;
  x: number;
  y: number;
}

export function ChatMenu({ at, onClose }: { at: At; onClose(): void }) {
  const row = chats.value.get(at.id);
  return row ? <Menu items={itemsOf(row)} at={at} onClose={onClose} /> : null;
}

function itemsOf(row: ChatRow): (MenuItem | false)[] {
  const { settings } = row.chat;
  const set = (fields: Partial<typeof settings>) => void setSettings(row.id, fields);
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
