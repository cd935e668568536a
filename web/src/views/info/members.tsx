/** The members of a group: roles, adding, removing, the invite link. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine } from "../../engine/here";
import { me, people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import type { Member, User } from "../../sync/wire";
import { Dialog } from "../dialog";
import { personName, refusal } from "../format";
import { Icon } from "../icon";
import { MenuButton } from "../menubutton";
import { PersonAvatar, Spinner } from "../parts";
import { PeoplePicker } from "../people/newchat";
import { go } from "../route";
import { copy } from "../thread/rowmenu";
import { oops } from "./chatinfo";

const ORDER = { owner: 0, admin: 1, member: 2 };
const FIRST = 30;

export function Members({ row }: { row: ChatRow }) {
  const { chat } = row;
  const held = useSignal<Member[] | null>(null);
  const all = useSignal(false);
  const adding = useSignal(false);
  const inviting = useSignal(false);
  const load = () =>
    actions.members(row.id).then(
      (found) => (held.value = found),
      async () => (held.value ??= (await engine.store.members(row.id)) ?? []),
    );
  useEffect(() => void load(), [chat.memberCount, chat.updatedAt]);
  const admin = chat.myRole !== "member";
  const mayAdd = admin || chat.permissions.addMembers === "all";
  const act = (work: Promise<unknown>) => void work.then(load, oops);
  const sorted = (held.value ?? []).toSorted((a, b) => ORDER[a.role] - ORDER[b.role]);
  return (
    <section>
      <h2>{t("members", { n: chat.memberCount })}</h2>
      {mayAdd && (
        <button type="button" class="row" onClick={() => (adding.value = true)}>
          <span class="row-icon accent">
            <Icon name="addUser" />
          </span>
          <span class="row-text">
            <b>{t("addMembers")}</b>
          </span>
        </button>
      )}
      {admin && (
        <button type="button" class="row" onClick={() => (inviting.value = true)}>
          <span class="row-icon accent">
            <Icon name="link" />
          </span>
          <span class="row-text">
            <b>{t("inviteLink")}</b>
          </span>
        </button>
      )}
      {held.value === null && <Spinner />}
      {(all.value ? sorted : sorted.slice(0, FIRST)).map((member) => {
        const user = people.value.get(member.userId) ?? member.user;
        const mine = member.userId === me.value?.id;
        const mayChange =
          !mine && admin && member.role !== "owner" && (chat.myRole === "owner" || member.role === "member");
        return (
          <div class="row" key={member.userId}>
            {user && <PersonAvatar user={user} />}
            <span class="row-text">
              <b dir="auto">{mine ? t("you") : personName(user)}</b>
              <small dir="auto">{user?.about}</small>
            </span>
            {member.role !== "member" && <span class="role">{t(`role_${member.role}`)}</span>}
            {!mine && (
              <MenuButton
                label={t("menuOf", { name: personName(user) })}
                items={() => [
                  {
                    icon: "chat",
                    label: t("message"),
                    run: () => void actions.openDirect(member.userId).then((id) => go(`/chat/${id}`), oops),
                  },
                  mayChange &&
                    member.role === "member" && {
                      icon: "shield",
                      label: t("makeAdmin"),
                      run: () => act(actions.setRole(row.id, member.userId, "admin")),
                    },
                  mayChange &&
                    member.role === "admin" && {
                      icon: "user",
                      label: t("makeMember"),
                      run: () => act(actions.setRole(row.id, member.userId, "member")),
                    },
                  mayChange && {
                    icon: "leave",
                    label: t("removeFromGroup"),
                    danger: true,
                    run: () => act(actions.removeMember(row.id, member.userId)),
                  },
                ]}
              />
            )}
          </div>
        );
      })}
      {!all.value && sorted.length > FIRST && (
        <button type="button" class="link center" onClick={() => (all.value = true)}>
          {t("showAll", { n: sorted.length })}
        </button>
      )}
      {adding.value && (
        <AddMembers
          row={row}
          members={held.value ?? []}
          onClose={() => {
            adding.value = false;
            void load();
          }}
        />
      )}
      {inviting.value && <InviteDialog chatId={row.id} onClose={() => (inviting.value = false)} />}
    </section>
  );
}

function AddMembers({ row, members, onClose }: { row: ChatRow; members: Member[]; onClose(): void }) {
  const chosen = useSignal<ReadonlyMap<string, User>>(new Map());
  const add = async () => {
    try {
      const { refused } = await actions.addMembers(row.id, [...chosen.value.keys()]);
      if (refused.length) say(t("refusedToJoin", { n: refused.length, why: refusal(refused[0]!.code) }));
      onClose();
    } catch (error) {
      oops(error);
    }
  };
  return (
    <Dialog
      title={t("addMembers")}
      class="narrow tall"
      onClose={onClose}
      foot={
        <button type="button" class="button" disabled={!chosen.value.size} onClick={() => void add()}>
          {t("add")}
        </button>
      }
    >
      <PeoplePicker
        chosen={chosen.value}
        onChange={(next) => (chosen.value = next)}
        without={new Set(members.map((member) => member.userId))}
      />
    </Dialog>
  );
}

function InviteDialog({ chatId, onClose }: { chatId: string; onClose(): void }) {
  const invite = useSignal<actions.Invite | null>(null);
  const make = () => actions.makeInvite(chatId).then((made) => (invite.value = made), oops);
  useEffect(() => void make(), []);
  const link = invite.value?.url ?? "";
  return (
    <Dialog title={t("inviteLink")} class="narrow" onClose={onClose}>
      <p class="hint">{t("inviteText")}</p>
      {link ? (
        <p class="invite-link" dir="ltr">
          {link}
        </p>
      ) : (
        <Spinner />
      )}
      <div class="buttons">
        <button type="button" class="button" disabled={!link} onClick={() => copy(link)}>
          <Icon name="copy" /> {t("copy")}
        </button>
        {"share" in navigator && (
          <button
            type="button"
            class="button quiet"
            disabled={!link}
            onClick={() => void navigator.share({ url: link }).catch(() => undefined)}
          >
            <Icon name="share" /> {t("share")}
          </button>
        )}
        <button
          type="button"
          class="button quiet danger-text"
          disabled={!link}
          onClick={() =>
            void actions.revokeInvite(chatId).then(() => {
              invite.value = null;
              void make();
              say(t("inviteRevoked"));
            }, oops)
          }
        >
          <Icon name="retry" /> {t("newLink")}
        </button>
      </div>
    </Dialog>
  );
}
