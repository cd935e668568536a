/** Begin a chat with somebody, or a group with several. */

import "../../style/panels.css";
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { failure } from "../../engine/here";
import { chats, me, people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { wordsOf } from "../../store/text";
import type { User } from "../../sync/wire";
import { personName, refusal } from "../format";
import { Icon, IconButton } from "../icon";
import { rove } from "../keys";
import { PanelHead } from "../panel";
import { Avatar, Empty, PersonAvatar, Spinner } from "../parts";
import { PicturePick } from "../picture";
import { back, go } from "../route";

const oops = (error: unknown) => say(refusal(failure(error).code));

/** Contacts, and whom one has chats with. */
export function useKnown(query: string): User[] | null {
  const found = useSignal<User[] | null>(null);
  useEffect(() => {
    const seen = () => [...people.value.values()].filter((user) => user.isContact);
    actions.contacts().then(
      (users) => (found.value = users),
      () => (found.value = seen()),
    );
  }, []);
  if (!found.value) return null;
  const all = new Map(found.value.map((user) => [user.id, user]));
  for (const { chat } of chats.value.values())
    if (chat.type === "direct" && chat.peer && !chat.peer.deleted)
      all.set(chat.peer.id, people.value.get(chat.peer.id) ?? chat.peer);
  all.delete(me.value?.id ?? "");
  const words = wordsOf(query);
  return [...all.values()]
    .filter((user) => {
      const held = wordsOf(`${user.name} ${user.phone ?? ""}`);
      return words.every((word) => held.some((one) => one.startsWith(word)));
    })
    .sort((a, b) => personName(a).localeCompare(personName(b)));
}

export function NewChat({ page }: { page: string }) {
  return page === "group" ? <NewGroup /> : <NewDirect />;
}

function NewDirect() {
  const query = useSignal("");
  const known = useKnown(query.value);
  const number = /^[+\d][\d\s()-]{5,}$/.test(query.value.trim()) ? query.value.trim() : "";
  const open = async (userId: string) => {
    try {
      go(`/chat/${await actions.openDirect(userId)}`, true);
    } catch (error) {
      oops(error);
    }
  };
  const call = async () => {
    try {
      const user = await actions.addContact(number.replace(/[^\d+]/g, ""));
      await open(user.id);
    } catch (error) {
      const { code } = failure(error);
      say(code === "not_found" ? t("nobodyHasNumber") : refusal(code));
    }
  };
  return (
    <div class="panel">
      <PanelHead title={t("newChat")} onBack={() => back("/")} />
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          autoComplete="off"
          placeholder={t("nameOrNumber")}
          aria-label={t("nameOrNumber")}
          autoFocus
          onInput={(event) => (query.value = event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && number && void call()}
        />
      </div>
      <div class="panel-body" onKeyDown={(event) => rove(event, "button.row")}>
        {number && (
          <button type="button" class="row" onClick={() => void call()}>
            <span class="row-icon">
              <Icon name="addUser" />
            </span>
            <span class="row-text">
              <b dir="ltr">{number}</b>
              <small>{t("findNumber")}</small>
            </span>
          </button>
        )}
        {!query.value && (
          <>
            <button type="button" class="row" onClick={() => go("/new/group")}>
              <span class="row-icon accent">
                <Icon name="users" />
              </span>
              <span class="row-text">
                <b>{t("newGroup")}</b>
              </span>
            </button>
            <button type="button" class="row" onClick={() => void open(me.value!.id)}>
              <span class="row-icon accent">
                <Icon name="edit" />
              </span>
              <span class="row-text">
                <b>{t("notesToSelf")}</b>
                <small>{t("notesHint")}</small>
              </span>
            </button>
            <FromAddressBook />
          </>
        )}
        {known === null ? (
          <Spinner />
        ) : known.length ? (
          <>
            <h2>{t("people")}</h2>
            {known.map((user) => (
              <button type="button" class="row" key={user.id} onClick={() => void open(user.id)}>
                <PersonAvatar user={user} />
                <span class="row-text">
                  <b dir="auto">{personName(user)}</b>
                  <small dir="auto">{user.about || user.phone}</small>
                </span>
              </button>
            ))}
          </>
        ) : (
          !number && (
            <Empty
              icon="users"
              title={query.value ? t("noResults") : t("noContactsTitle")}
              text={query.value ? t("typeNumber") : t("noContactsText")}
            />
          )
        )}
      </div>
    </div>
  );
}

interface ContactsManager {
  select(fields: string[], options: { multiple: boolean }): Promise<{ tel?: string[] }[]>;
}

/** Where the browser lets one choose from the phone's address book. */
function FromAddressBook() {
  const book = (navigator as { contacts?: ContactsManager }).contacts;
  if (!book) return null;
  const choose = async () => {
    try {
      const chosen = await book.select(["tel"], { multiple: true });
      const users = await actions.syncContacts(chosen.flatMap((one) => one.tel ?? []));
      say(t("contactsFound", { n: users.length }));
    } catch (error) {
      oops(error);
    }
  };
  return (
    <button type="button" class="row" onClick={() => void choose()}>
      <span class="row-icon accent">
        <Icon name="addUser" />
      </span>
      <span class="row-text">
        <b>{t("fromAddressBook")}</b>
      </span>
    </button>
  );
}

/** People with a tick beside each. */
export function PeoplePicker(props: {
  chosen: ReadonlyMap<string, User>;
  onChange(next: ReadonlyMap<string, User>): void;
  without?: ReadonlySet<string>;
}) {
  const query = useSignal("");
  const known = useKnown(query.value)?.filter((user) => !props.without?.has(user.id));
  const toggle = (user: User) => {
    const next = new Map(props.chosen);
    if (!next.delete(user.id)) next.set(user.id, user);
    props.onChange(next);
  };
  return (
    <>
      {props.chosen.size > 0 && (
        <div class="chips">
          {[...props.chosen.values()].map((user) => (
            <button
              type="button"
              key={user.id}
              aria-label={t("removeName", { name: personName(user) })}
              onClick={() => toggle(user)}
            >
              <PersonAvatar user={user} size="s" /> <span dir="auto">{personName(user)}</span> <Icon name="close" />
            </button>
          ))}
        </div>
      )}
      <div class="search">
        <Icon name="search" />
        <input
          type="search"
          autoComplete="off"
          placeholder={t("search")}
          aria-label={t("search")}
          onInput={(event) => (query.value = event.currentTarget.value)}
        />
      </div>
      {known === undefined ? (
        <Spinner />
      ) : known.length ? (
        known.map((user) => (
          <label class="row" key={user.id}>
            <PersonAvatar user={user} />
            <span class="row-text">
              <b dir="auto">{personName(user)}</b>
              <small dir="auto">{user.about}</small>
            </span>
            <input type="checkbox" checked={props.chosen.has(user.id)} onChange={() => toggle(user)} />
          </label>
        ))
      ) : (
        <p class="hint">{t("noContactsText")}</p>
      )}
    </>
  );
}

function NewGroup() {
  const chosen = useSignal<ReadonlyMap<string, User>>(new Map());
  const naming = useSignal(false);
  const name = useSignal("");
  const picture = useSignal<File | null>(null);
  const busy = useSignal(false);
  const create = async () => {
    busy.value = true;
    try {
      go(`/chat/${await actions.createGroup(name.value.trim(), [...chosen.value.keys()], picture.value)}`, true);
    } catch (error) {
      oops(error);
      busy.value = false;
    }
  };
  if (naming.value)
    return (
      <div class="panel">
        <PanelHead title={t("newGroup")} onBack={() => (naming.value = false)} />
        <form
          class="panel-body pad"
          onSubmit={(event) => {
            event.preventDefault();
            void create();
          }}
        >
          <PicturePick id="group" name={name.value} onPick={(file) => (picture.value = file)} />
          <label class="field">
            <span>{t("groupName")}</span>
            <input
              maxLength={100}
              required
              autoFocus
              dir="auto"
              value={name.value}
              onInput={(event) => (name.value = event.currentTarget.value)}
            />
          </label>
          <p class="hint">{t("members", { n: chosen.value.size + 1 })}</p>
          <div class="faces">
            {[...chosen.value.values()].slice(0, 12).map((user) => (
              <PersonAvatar key={user.id} user={user} size="s" />
            ))}
          </div>
          <button type="submit" class="button wide" disabled={busy.value || !name.value.trim()}>
            {busy.value ? <Spinner /> : t("create")}
          </button>
        </form>
      </div>
    );
  return (
    <div class="panel">
      <PanelHead title={t("newGroup")} onBack={() => back("/new")}>
        <IconButton icon="next" class="flip accent" label={t("continue")} onClick={() => (naming.value = true)} />
      </PanelHead>
      <div class="panel-body">
        <PeoplePicker chosen={chosen.value} onChange={(next) => (chosen.value = next)} />
      </div>
      <div class="panel-foot">
        <button type="button" class="button wide" onClick={() => (naming.value = true)}>
          {t("continueWith", { n: chosen.value.size })}
        </button>
      </div>
    </div>
  );
}

export { Avatar };
