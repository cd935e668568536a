/** About a chat: who, what was shared, settings, members. */

import "../../style/panels.css";
import { useSignal } from "@preact/signals";
import * as actions from "../../engine/actions";
import { setSettings } from "../../engine/chosen";
import { failure } from "../../engine/here";
import { chats, isMuted, people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import { Confirm } from "../dialog";
import { isSelf, refusal, titleOf } from "../format";
import { Icon, IconButton } from "../icon";
import { PanelHead, Switch } from "../panel";
import { Avatar, ChatAvatar, Spinner } from "../parts";
import { PicturePick } from "../picture";
import { back, go } from "../route";
import { Members } from "./members";
import { Shelf } from "./shelf";

export const oops = (error: unknown) => say(refusal(failure(error).code));

export function ChatInfo({ id }: { id: string }) {
  const row = chats.value.get(id);
  const page = useSignal<"about" | "shelf">("about");
  if (!row)
    return (
      <div class="waiting">
        <Spinner />
      </div>
    );
  const group = row.chat.type === "group";
  return (
    <div class="panel">
      <PanelHead
        title={page.value === "shelf" ? t("shared") : group ? t("groupInfo") : t("chatInfo")}
        onBack={() => (page.value === "shelf" ? (page.value = "about") : back(`/chat/${id}`))}
      />
      <div class="panel-body">
        {page.value === "shelf" ? (
          <Shelf chatId={id} />
        ) : (
          <>
            {group ? <GroupHead row={row} /> : <PersonHead row={row} />}
            <button type="button" class="row" onClick={() => (page.value = "shelf")}>
              <span class="row-icon">
                <Icon name="image" />
              </span>
              <span class="row-text">
                <b>{t("shared")}</b>
                <small>{t("sharedHint")}</small>
              </span>
              <Icon name="next" class="flip" />
            </button>
            <ChatSettings row={row} />
            {group && row.chat.membership === "member" && <Members row={row} />}
            <Dangers row={row} />
          </>
        )}
      </div>
    </div>
  );
}

function PersonHead({ row }: { row: ChatRow }) {
  const peer = row.chat.peer ? (people.value.get(row.chat.peer.id) ?? row.chat.peer) : null;
  return (
    <div class="info-head">
      <ChatAvatar chat={row.chat} size="xl" />
      <h2 dir="auto">{titleOf(row.chat)}</h2>
      {peer?.phone && !isSelf(row.chat) && (
        <a href={`tel:${peer.phone}`} dir="ltr">
          {peer.phone}
        </a>
      )}
      {peer?.about && <p dir="auto">{peer.about}</p>}
    </div>
  );
}

/** Whether I may change the group's name, picture and text. */
export function mayEdit({ chat }: ChatRow): boolean {
  return chat.membership === "member" && (chat.permissions.editInfo === "all" || chat.myRole !== "member");
}

function GroupHead({ row }: { row: ChatRow }) {
  const { chat } = row;
  const editing = useSignal(false);
  const name = useSignal(chat.name ?? "");
  const description = useSignal(chat.description ?? "");
  const may = mayEdit(row);
  const save = async () => {
    try {
      await actions.editChat(row.id, {
        ...(name.value.trim() !== chat.name ? { name: name.value.trim() } : {}),
        ...(description.value.trim() !== (chat.description ?? "")
          ? { description: description.value.trim() || null }
          : {}),
      });
      editing.value = false;
    } catch (error) {
      oops(error);
    }
  };
  return (
    <div class="info-head">
      {may ? (
        <PicturePick
          id={row.id}
          name={chat.name ?? ""}
          media={chat.avatar}
          onPick={(file) =>
            void actions
              .uploadPicture(file)
              .then((media) => actions.editChat(row.id, { avatarMediaId: media.id }))
              .catch(oops)
          }
        />
      ) : (
        <Avatar id={row.id} name={chat.name ?? ""} media={chat.avatar} size="xl" />
      )}
      {editing.value ? (
        <form
          class="pad"
          onSubmit={(event) => {
            event.preventDefault();
            void save();
          }}
        >
          <label class="field">
            <span>{t("groupName")}</span>
            <input
              maxLength={100}
              required
              dir="auto"
              value={name.value}
              onInput={(event) => (name.value = event.currentTarget.value)}
            />
          </label>
          <label class="field">
            <span>{t("description")}</span>
            <textarea
              rows={3}
              maxLength={2048}
              dir="auto"
              value={description.value}
              onInput={(event) => (description.value = event.currentTarget.value)}
            />
          </label>
          <div class="buttons">
            <button type="button" class="button quiet" onClick={() => (editing.value = false)}>
              {t("cancel")}
            </button>
            <button type="submit" class="button">
              {t("save")}
            </button>
          </div>
        </form>
      ) : (
        <>
          <h2 dir="auto">
            {chat.name}{" "}
            {may && (
              <IconButton
                icon="edit"
                label={t("edit")}
                onClick={() => {
                  name.value = chat.name ?? "";
                  description.value = chat.description ?? "";
                  editing.value = true;
                }}
              />
            )}
          </h2>
          <small>{t("members", { n: chat.memberCount })}</small>
          {chat.description && <p dir="auto">{chat.description}</p>}
        </>
      )}
    </div>
  );
}

const TIMERS: [number, "timerOff" | "timer1d" | "timer7d" | "timer90d"][] = [
  [0, "timerOff"],
  [86_400, "timer1d"],
  [604_800, "timer7d"],
  [7_776_000, "timer90d"],
];

function ChatSettings({ row }: { row: ChatRow }) {
  const { chat } = row;
  const set = (fields: Partial<typeof chat.settings>) => void setSettings(row.id, fields);
  const edit = (fields: Parameters<typeof actions.editChat>[1]) => void actions.editChat(row.id, fields).catch(oops);
  const admin = chat.myRole !== "member";
  const rights = ["send", "editInfo", "addMembers"] as const;
  const timer = chat.disappearingSeconds ?? 0;
  const options = TIMERS.some(([seconds]) => seconds === timer) ? TIMERS : [...TIMERS, [timer, "timerOff"] as const];
  return (
    <section class="pad">
      <Switch
        label={t("mute")}
        on={isMuted(row)}
        onChange={(on) => set({ mutedUntil: on ? "9999-01-01T00:00:00.000Z" : null })}
      />
      <Switch label={t("pinChat")} on={chat.settings.pinned} onChange={(pinned) => set({ pinned })} />
      {chat.membership === "member" && (
        <label class="setting">
          <span>
            {t("disappearing")}
            <small>{t("disappearingHint")}</small>
          </span>
          <select
            value={timer}
            disabled={chat.type === "group" && !mayEdit(row)}
            onChange={(event) => edit({ disappearingSeconds: Number(event.currentTarget.value) || null })}
          >
            {options.map(([seconds, key]) => (
              <option key={seconds} value={seconds}>
                {t(key)}
              </option>
            ))}
          </select>
        </label>
      )}
      {chat.type === "group" && admin && chat.membership === "member" && (
        <>
          <h2>{t("permissions")}</h2>
          {rights.map((right) => (
            <label class="setting" key={right}>
              <span>{t(`right_${right}`)}</span>
              <select
                value={chat.permissions[right]}
                onChange={(event) => edit({ permissions: { [right]: event.currentTarget.value as "all" | "admins" } })}
              >
                <option value="all">{t("allMembers")}</option>
                <option value="admins">{t("adminsOnly")}</option>
              </select>
            </label>
          ))}
        </>
      )}
    </section>
  );
}

function Dangers({ row }: { row: ChatRow }) {
  const { chat } = row;
  const asking = useSignal<"leave" | "block" | null>(null);
  const peer = chat.peer;
  return (
    <section>
      {chat.type === "group" && chat.membership === "member" && (
        <button type="button" class="row danger" onClick={() => (asking.value = "leave")}>
          <span class="row-icon">
            <Icon name="leave" />
          </span>
          <span class="row-text">
            <b>{t("leaveGroup")}</b>
          </span>
        </button>
      )}
      {peer && !isSelf(chat) && (
        <button
          type="button"
          class="row danger"
          onClick={() => (peer.isBlocked ? void actions.block(peer.id, false).catch(oops) : (asking.value = "block"))}
        >
          <span class="row-icon">
            <Icon name="ban" />
          </span>
          <span class="row-text">
            <b>{peer.isBlocked ? t("unblock") : t("block")}</b>
          </span>
        </button>
      )}
      {asking.value === "leave" && (
        <Confirm
          title={t("leaveGroup")}
          text={t("leaveText")}
          onClose={() => (asking.value = null)}
          actions={[
            {
              label: t("leaveGroup"),
              danger: true,
              run: () => void actions.leave(row.id).then(() => go(`/chat/${row.id}`), oops),
            },
          ]}
        />
      )}
      {asking.value === "block" && peer && (
        <Confirm
          title={t("blockName", { name: titleOf(chat) })}
          text={t("blockText")}
          onClose={() => (asking.value = null)}
          actions={[{ label: t("block"), danger: true, run: () => void actions.block(peer.id, true).catch(oops) }]}
        />
      )}
    </section>
  );
}
