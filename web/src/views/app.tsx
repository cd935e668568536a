/** The frame: two panes, one below 720 px; what is shown in them is told by the address. */

import { useSignalEffect } from "@preact/signals";
import { useLayoutEffect, useState } from "preact/hooks";
import { engine } from "../engine/here";
import { loaded, phase, say, storageFull, toast, totalUnread } from "../engine/state";
import { t } from "../i18n/i18n";
import { land } from "./focus";
import { refusal } from "./format";
import { hearWorker } from "./heard";
import { Icon } from "./icon";
import "./install"; // hears the browser's offer, which comes early
import { isPaletteKey } from "./keys";
import { lazy } from "./lazy";
import { ChatList } from "./list/chatlist";
import { Broken, Empty } from "./parts";
import { back, chatId, go, path, route } from "./route";

// Fetched at once, beside the shell: most starts end in a chat.
const Thread = lazy(() => import("./thread/thread").then((module) => module.Thread), { eager: true });
const SignIn = lazy(() => import("./signin").then((module) => module.SignIn));
const Locked = lazy(() => import("./locked").then((module) => module.Locked));
const Settings = lazy(() => import("./settings/settings").then((module) => module.Settings));
const NewChat = lazy(() => import("./people/newchat").then((module) => module.NewChat));
const Invited = lazy(() => import("./people/invited").then((module) => module.Invited));
const Starred = lazy(() => import("./list/starred").then((module) => module.Starred));
const ChatInfo = lazy(() => import("./info/chatinfo").then((module) => module.ChatInfo));
const Palette = lazy(() => import("./list/palette").then((module) => module.Palette));
const Share = lazy(() => import("./people/share").then((module) => module.Share));

const RETRY_MS = 10_000;

export function App() {
  const [palette, setPalette] = useState(false);
  useSignalEffect(() => {
    const count = phase.value === "in" ? totalUnread.value : 0;
    document.title = count ? `(${count > 999 ? "999+" : count}) Tidings` : "Tidings";
    if (count) void navigator.setAppBadge?.(count).catch(() => undefined);
    else void navigator.clearAppBadge?.().catch(() => undefined);
  });
  useLayoutEffect(() => {
    engine.onRefused = (code) => say(refusal(code));
    hearWorker();
    const watch = (): unknown =>
      import("./notify").then(
        (notify) => notify.watchIncoming(),
        () => setTimeout(watch, RETRY_MS),
      );
    watch();
    const keys = (event: KeyboardEvent) => {
      if (isPaletteKey(event) && phase.value === "in") {
        event.preventDefault();
        setPalette((open) => !open);
      } else if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open], .menu")) {
        const { place, more } = route.value;
        if (place && !(event.target as HTMLElement).closest?.(".composer textarea:not(:placeholder-shown)"))
          back(more ? `/chat/${chatId.value}` : "/");
      }
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, []);

  useLayoutEffect(land, [path.value]);

  const { place, id, more } = route.value;
  if (phase.value === "starting") return null;
  if (phase.value === "failed") return <Broken />;
  if (phase.value !== "in")
    return (
      <>
        {phase.value === "locked" ? (
          <Locked />
        ) : place === "invite" ? (
          <Invited code={id} signIn={<SignIn />} />
        ) : (
          <SignIn />
        )}
        <Toast />
      </>
    );
  const open = chatId.value;
  const inChat = place === "chat" || place === "invite" || place === "share";
  return (
    <div class={`frame ${inChat ? "in-chat" : ""} ${more === "info" ? "with-info" : ""}`}>
      <nav class="side" aria-label={t("chats")}>
        {storageFull.value && (
          <p class="strip warn" role="alert">
            {t("storageFull")}
          </p>
        )}
        {place === "settings" ? (
          <Settings page={id} />
        ) : place === "new" ? (
          <NewChat page={id} />
        ) : place === "starred" ? (
          <Starred />
        ) : (
          <ChatList />
        )}
      </nav>
      <main class="main">
        {place === "invite" ? (
          <Invited code={id} />
        ) : place === "share" ? (
          <Share />
        ) : open ? (
          <Thread key={open} id={open} />
        ) : (
          <Welcome />
        )}
      </main>
      {place === "chat" && more === "info" && (
        <aside class="aside" aria-label={t("chatInfo")}>
          <ChatInfo key={open} id={open} />
        </aside>
      )}
      {palette && <Palette onClose={() => setPalette(false)} />}
      <Toast />
    </div>
  );
}

function Welcome() {
  return (
    <div class="welcome">
      <Empty icon="chat" title={t("welcomeTitle")} text={loaded.value ? t("welcomeText") : t("catchingUp")}>
        <p class="keys">
          <kbd>{t("keyCtrl")}</kbd> <kbd>K</kbd> <span>{t("jumpTo")}</span>
        </p>
        <button type="button" class="button" onClick={() => go("/new")}>
          <Icon name="compose" /> {t("newChat")}
        </button>
      </Empty>
    </div>
  );
}

function Toast() {
  const shown = toast.value;
  return (
    <div class="toasts" role="status" aria-live="polite">
      {shown && (
        <div class="toast">
          <span>{shown.text}</span>
          {shown.action && (
            <button
              type="button"
              onClick={() => {
                shown.action!.run();
                toast.value = null;
              }}
            >
              {shown.action.label}
            </button>
          )}
        </div>
      )}
    </div>
  );
}
