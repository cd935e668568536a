/** All that a locked app shows: a question for the passphrase, and a way out for who forgot it. */

import "../style/panels.css";
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { reason, signOutAnyway, unlock } from "../engine/lock";
import { say } from "../engine/state";
import { tl } from "../i18n/lock";
import { Confirm } from "./dialog";
import { refusal } from "./format";
import { Spinner } from "./parts";
import { go } from "./route";

export function Locked() {
  const passphrase = useSignal("");
  const error = useSignal("");
  const busy = useSignal(false);
  const asking = useSignal(false);
  const box = useRef<HTMLInputElement>(null);
  const open = async () => {
    busy.value = true;
    error.value = "";
    const right = await unlock(passphrase.value).catch((problem) => refusal(reason(problem)));
    if (right === true) return;
    busy.value = false;
    error.value = right || tl("wrong");
    box.current?.select();
  };
  const leave = async () => {
    if (!(await signOutAnyway())) say(tl("offline"));
    go("/", true);
  };
  return (
    <main class="gate">
      <div class="gate-card">
        <img src="/icons/icon.svg" alt="" width={64} height={64} />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (!busy.value) void open();
          }}
        >
          <h1>{tl("locked")}</h1>
          <p>{tl("lockedText")}</p>
          <label class="field">
            <span>{tl("passphrase")}</span>
            <input
              ref={box}
              type="password"
              autoComplete="current-password"
              dir="auto"
              required
              autoFocus
              value={passphrase.value}
              aria-invalid={error.value !== ""}
              onInput={(event) => {
                passphrase.value = event.currentTarget.value;
                error.value = "";
              }}
            />
          </label>
          <p class="error" role="alert">
            {error.value}
          </p>
          <button type="submit" class="button wide" disabled={busy.value || !passphrase.value}>
            {busy.value ? <Spinner /> : tl("unlock")}
          </button>
          <button type="button" class="link center" disabled={busy.value} onClick={() => (asking.value = true)}>
            {tl("forgot")}
          </button>
        </form>
      </div>
      {asking.value && (
        <Confirm
          title={tl("forgotTitle")}
          text={tl("forgotText")}
          onClose={() => (asking.value = false)}
          actions={[{ label: tl("forgotDo"), danger: true, run: () => void leave() }]}
        />
      )}
    </main>
  );
}
