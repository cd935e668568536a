/** Settings: oneself, looks, privacy, notifications, devices. */

import "../../style/panels.css";
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import * as actions from "../../engine/actions";
import { engine, failure } from "../../engine/here";
import { me, people, say } from "../../engine/state";
import { LOCALES, type Locale, preferred, speak, t } from "../../i18n/i18n";
import { tl } from "../../i18n/lock";
import type { User } from "../../sync/wire";
import { Unanswered, useAnswer } from "../answer";
import { Confirm } from "../dialog";
import { full, personName, refusal } from "../format";
import { Icon, type IconName } from "../icon";
import { install, offer } from "../install";
import { lazy } from "../lazy";
import { type Look, look, setLook } from "../look";
import { PanelHead, Switch } from "../panel";
import { Avatar, Empty, PersonAvatar, Spinner } from "../parts";
import { PicturePick } from "../picture";
import { back, go } from "../route";
import { Choice } from "./choice";
import { Notifications } from "./notifications";

const Lock = lazy(() => import("./lock").then((module) => module.Lock));

const oops = (error: unknown) => say(refusal(failure(error).code));

export function Settings({ page }: { page: string }) {
  switch (page) {
    case "profile":
      return <Profile />;
    case "looks":
      return <Looks />;
    case "privacy":
      return <Privacy />;
    case "notifications":
      return <Notifications />;
    case "devices":
      return <Devices />;
    case "lock":
      return <Lock />;
    case "blocked":
      return <Blocked />;
    default:
      return <Overview />;
  }
}

function Overview() {
  const mine = me.value;
  const asking = useSignal(false);
  const pages: [string, IconName, string, string][] = [
    ["privacy", "shield", t("privacy"), t("privacyHint")],
    ["notifications", "muted", t("notifications"), t("notificationsHint")],
    ["looks", "palette", t("looks"), t("looksHint")],
    ["devices", "device", t("devices"), t("devicesHint")],
    ["lock", "key", tl("title"), tl("hint")],
    ["blocked", "ban", t("blockedPeople"), ""],
  ];
  return (
    <div class="panel">
      <PanelHead title={t("settings")} onBack={() => back("/")} />
      <div class="panel-body">
        <button type="button" class="row big" onClick={() => go("/settings/profile")}>
          <Avatar id={mine?.id ?? ""} name={mine?.name ?? ""} media={mine?.avatar} size="l" />
          <span class="row-text">
            <b dir="auto">{mine?.name}</b>
            <small dir="auto">{mine?.about || t("tapToEdit")}</small>
          </span>
          <Icon name="next" class="flip" />
        </button>
        {pages.map(([id, icon, title, hint]) => (
          <button type="button" class="row" key={id} onClick={() => go(`/settings/${id}`)}>
            <span class="row-icon">
              <Icon name={icon} />
            </span>
            <span class="row-text">
              <b>{title}</b>
              {hint && <small>{hint}</small>}
            </span>
            <Icon name="next" class="flip" />
          </button>
        ))}
        {offer.value && (
          <button type="button" class="row" onClick={install}>
            <span class="row-icon">
              <Icon name="download" />
            </span>
            <span class="row-text">
              <b>{t("install")}</b>
              <small>{t("installHint")}</small>
            </span>
          </button>
        )}
        <button type="button" class="row danger" onClick={() => (asking.value = true)}>
          <span class="row-icon">
            <Icon name="leave" />
          </span>
          <span class="row-text">
            <b>{t("signOut")}</b>
          </span>
        </button>
      </div>
      {asking.value && (
        <Confirm
          title={t("signOut")}
          text={t("signOutText")}
          onClose={() => (asking.value = false)}
          actions={[
            {
              label: t("signOut"),
              danger: true,
              run: () => void engine.signOut().then(() => go("/", true), oops),
            },
          ]}
        />
      )}
    </div>
  );
}

function Profile() {
  const mine = me.value;
  const name = useSignal(mine?.name ?? "");
  const about = useSignal(mine?.about ?? "");
  const busy = useSignal(false);
  const asking = useSignal(false);
  if (!mine) return <Spinner />;
  const save = async (fields: Parameters<typeof actions.setProfile>[0]) => {
    busy.value = true;
    await actions.setProfile(fields).then(() => say(t("saved")), oops);
    busy.value = false;
  };
  return (
    <div class="panel">
      <PanelHead title={t("profile")} onBack={() => back("/settings")} />
      <div class="panel-body pad">
        <PicturePick
          id={mine.id}
          name={mine.name}
          media={mine.avatar}
          onPick={(file) => void actions.uploadPicture(file).then((media) => save({ avatarMediaId: media.id }), oops)}
        />
        {mine.avatar && (
          <button type="button" class="link center" onClick={() => void save({ avatarMediaId: null })}>
            {t("removePicture")}
          </button>
        )}
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void save({ name: name.value.trim(), about: about.value.trim() || null });
          }}
        >
          <label class="field">
            <span>{t("name")}</span>
            <input
              maxLength={64}
              required
              dir="auto"
              value={name.value}
              onInput={(event) => (name.value = event.currentTarget.value)}
            />
          </label>
          <label class="field">
            <span>{t("about")}</span>
            <input
              maxLength={140}
              dir="auto"
              value={about.value}
              onInput={(event) => (about.value = event.currentTarget.value)}
            />
          </label>
          <label class="field">
            <span>{t("phone")}</span>
            <input dir="ltr" value={mine.phone ?? ""} readOnly />
          </label>
          <button
            type="submit"
            class="button"
            disabled={
              busy.value || !name.value.trim() || (name.value === mine.name && about.value === (mine.about ?? ""))
            }
          >
            {t("save")}
          </button>
        </form>
        <button type="button" class="link danger-text" onClick={() => (asking.value = true)}>
          {t("deleteAccount")}
        </button>
      </div>
      {asking.value && (
        <Confirm
          title={t("deleteAccount")}
          text={t("deleteAccountText")}
          onClose={() => (asking.value = false)}
          actions={[{ label: t("deleteAccount"), danger: true, run: () => void actions.deleteAccount().catch(oops) }]}
        />
      )}
    </div>
  );
}

function Looks() {
  const it = look.value;
  return (
    <div class="panel">
      <PanelHead title={t("looks")} onBack={() => back("/settings")} />
      <div class="panel-body pad">
        <Choice
          label={t("theme")}
          value={it.theme}
          options={[
            ["system", t("asSystem")],
            ["light", t("light")],
            ["dark", t("dark")],
          ]}
          onChange={(theme: Look["theme"]) => setLook({ theme })}
        />
        <Switch label={t("contrast")} on={it.contrast} onChange={(contrast) => setLook({ contrast })} />
        <Choice
          label={t("textSize")}
          value={it.textSize}
          options={[
            [90, t("small")],
            [100, t("normal")],
            [115, t("large")],
            [130, t("veryLarge")],
          ]}
          onChange={(textSize: number) => setLook({ textSize })}
        />
        <Choice
          label={t("language")}
          value={it.locale}
          options={[["system", t("asSystem")], ...(Object.entries(LOCALES) as [Locale, string][])]}
          onChange={(locale: Look["locale"]) => {
            setLook({ locale });
            void speak(locale === "system" ? preferred() : locale);
          }}
        />
        <Switch
          label={t("enterSends")}
          hint={t("enterSendsHint")}
          on={it.enterSends}
          onChange={(enterSends) => setLook({ enterSends })}
        />
        <Switch
          label={t("autoDownload")}
          hint={t("autoDownloadHint")}
          on={it.autoDownload}
          onChange={(autoDownload) => setLook({ autoDownload })}
        />
      </div>
    </div>
  );
}

function Privacy() {
  const { held, code } = useAnswer(actions.privacy);
  // What changed and nothing else, one after the other: two at once could end in what was chosen first.
  const saving = useRef<Promise<unknown>>(Promise.resolve());
  const set = (fields: Partial<actions.Privacy>) => {
    held.value = { ...held.value!, ...fields };
    const save = saving.current
      .then(() => actions.setPrivacy(fields))
      .catch((error) => {
        oops(error);
        return actions.privacy();
      })
      .then(
        (now) => {
          if (saving.current === save) held.value = now; // else more was chosen meanwhile
        },
        () => undefined,
      );
    saving.current = save;
  };
  const audience: [actions.Audience, string][] = [
    ["everyone", t("everyone")],
    ["contacts", t("myContacts")],
    ["nobody", t("nobody")],
  ];
  const kinds = ["lastSeen", "online", "avatar", "about", "groups"] as const;
  return (
    <div class="panel">
      <PanelHead title={t("privacy")} onBack={() => back("/settings")} />
      <div class="panel-body pad">
        {held.value === null ? (
          <Unanswered code={code.value} />
        ) : (
          <>
            <h2>{t("whoSees")}</h2>
            {kinds.map((kind) => (
              <Choice
                key={kind}
                label={t(`privacy_${kind}`)}
                value={held.value![kind]}
                options={audience}
                onChange={(value: actions.Audience) => set({ [kind]: value })}
              />
            ))}
            <Switch
              label={t("readReceipts")}
              hint={t("readReceiptsHint")}
              on={held.value.readReceipts}
              onChange={(readReceipts) => set({ readReceipts })}
            />
          </>
        )}
      </div>
    </div>
  );
}

function Devices() {
  const { held, code } = useAnswer(actions.sessions);
  const end = (id: string) =>
    actions.endSession(id).then(() => (held.value = held.value!.filter((one) => one.id !== id)), oops);
  return (
    <div class="panel">
      <PanelHead title={t("devices")} onBack={() => back("/settings")} />
      <div class="panel-body">
        {held.value === null ? (
          <Unanswered code={code.value} />
        ) : (
          held.value
            .toSorted((a, b) => Number(b.current) - Number(a.current))
            .map((session) => (
              <div class="row" key={session.id}>
                <span class="row-icon">
                  <Icon name="device" />
                </span>
                <span class="row-text">
                  <b dir="auto">{session.device.name || session.device.platform}</b>
                  <small>
                    {session.current ? t("thisDevice") : t("lastActive", { when: full(session.lastSeenAt) })}
                  </small>
                </span>
                {!session.current && (
                  <button type="button" class="button quiet small" onClick={() => void end(session.id)}>
                    {t("signOut")}
                  </button>
                )}
              </div>
            ))
        )}
      </div>
    </div>
  );
}

function Blocked() {
  const { held, code } = useAnswer(actions.blocked);
  void people.value;
  const free = (user: User) =>
    actions.block(user.id, false).then(() => (held.value = held.value!.filter((one) => one.id !== user.id)), oops);
  return (
    <div class="panel">
      <PanelHead title={t("blockedPeople")} onBack={() => back("/settings")} />
      <div class="panel-body">
        {held.value === null ? (
          <Unanswered code={code.value} />
        ) : held.value.length === 0 ? (
          <Empty icon="ban" title={t("nobodyBlocked")} text={t("nobodyBlockedText")} />
        ) : (
          held.value.map((user) => (
            <div class="row" key={user.id}>
              <PersonAvatar user={user} />
              <span class="row-text">
                <b dir="auto">{personName(user)}</b>
              </span>
              <button type="button" class="button quiet small" onClick={() => void free(user)}>
                {t("unblock")}
              </button>
            </div>
          ))
        )}
      </div>
    </div>
  );
}
