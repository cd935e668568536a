/** An invite to a group; also for those who are not signed in yet. */

import "../../style/panels.css";
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { failure } from "../../engine/here";
import { chats, phase, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { refusal } from "../format";
import { Avatar, Empty, Spinner } from "../parts";
import { go } from "../route";

export function Invited({ code, signIn }: { code: string; signIn?: ComponentChildren }) {
  const found = useSignal<Awaited<ReturnType<typeof actions.invited>> | null>(null);
  const gone = useSignal("");
  const busy = useSignal(false);
  const asking = useSignal(false);
  useEffect(() => {
    if (phase.value === "in")
      actions.invited(code).then(
        (answer) => (found.value = answer),
        (error) => (gone.value = failure(error).code),
      );
  }, [phase.value]);
  if (signIn && asking.value) return <>{signIn}</>;
  if (signIn)
    return (
      <main class="gate">
        <div class="gate-card">
          <img src="/icons/icon.svg" alt="" width={64} height={64} />
          <h1>{t("invitedTitle")}</h1>
          <p>{t("invitedSignIn")}</p>
          <button type="button" class="button wide" onClick={() => (asking.value = true)}>
            {t("signInToJoin")}
          </button>
        </div>
      </main>
    );
  if (gone.value)
    return (
      <Empty
        icon="link"
        title={t("inviteGone")}
        text={gone.value === "not_found" ? t("inviteGoneText") : refusal(gone.value)}
      >
        <button type="button" class="button" onClick={() => go("/", true)}>
          {t("toChats")}
        </button>
      </Empty>
    );
  const it = found.value;
  if (!it)
    return (
      <div class="waiting">
        <Spinner />
      </div>
    );
  const inside = chats.value.get(it.chatId)?.chat.membership === "member";
  const join = async () => {
    busy.value = true;
    try {
      go(`/chat/${inside ? it.chatId : await actions.join(code)}`, true);
    } catch (error) {
      say(refusal(failure(error).code));
      busy.value = false;
    }
  };
  return (
    <div class="invited">
      <Avatar id={it.chatId} name={it.name} size="xl" />
      <h1 dir="auto">{it.name}</h1>
      <small>{t("members", { n: it.memberCount })}</small>
      {it.description && <p dir="auto">{it.description}</p>}
      <button type="button" class="button" disabled={busy.value} onClick={() => void join()}>
        {inside ? t("openChat") : t("joinGroup")}
      </button>
      <button type="button" class="link" onClick={() => go("/", true)}>
        {t("cancel")}
      </button>
    </div>
  );
}
