/** The lock of what is kept on this device: set, change, remove, lock now. */

import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect } from "preact/hooks";
import { engine } from "../../engine/here";
import * as locks from "../../engine/lock";
import { say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import { tl } from "../../i18n/lock";
import { Dialog } from "../dialog";
import { land } from "../focus";
import { refusal } from "../format";
import { Icon, type IconName } from "../icon";
import { PanelHead } from "../panel";
import { Spinner } from "../parts";
import { back } from "../route";
import { Choice } from "./choice";

const AFTER = [300_000, 3_600_000, 0] as const;

export function Lock() {
  const held = locks.lock.value;
  const asked = useSignal<"change" | "remove" | null>(null);
  const share = locks.converting.value;
  useLayoutEffect(land, [share === null, held === null]); // what had focus was replaced
  return (
    <div class="panel">
      <PanelHead title={tl("title")} onBack={() => back("/settings")} />
      <div class="panel-body">
        {!locks.canLock() ? (
          <p class="hint pad">{tl("cannot")}</p>
        ) : share !== null ? (
          <label class="pad going-lock">
            <span>{held?.state === "removing" ? tl("removing") : tl("sealing")}</span>
            <progress value={share} max={1} />
          </label>
        ) : held ? (
          <>
            <div class="pad">
              <p class={held.state === "set" ? "notice-warn" : "hint"} role="status">
                {held.state === "set" && <Icon name="shield" />}
                {tl(held.state === "set" ? "isSet" : "unfinished")}
              </p>
              <After value={held.after} onChange={(after) => void locks.setAfter(after)} />
            </div>
            <Row icon="key" text={tl("lockNow")} onClick={() => void locks.lockNow()} />
            <Row icon="edit" text={tl("change")} onClick={() => (asked.value = "change")} />
            <Row icon="trash" text={tl("remove")} danger onClick={() => (asked.value = "remove")} />
          </>
        ) : (
          <SetLock />
        )}
      </div>
      {asked.value === "change" && <Change onClose={() => (asked.value = null)} />}
      {asked.value === "remove" && <Remove onClose={() => (asked.value = null)} />}
    </div>
  );
}

function Row(props: { icon: IconName; text: string; danger?: boolean; onClick(): void }) {
  return (
    <button type="button" class={`row ${props.danger ? "danger" : ""}`} onClick={props.onClick}>
      <span class="row-icon">
        <Icon name={props.icon} />
      </span>
      <span class="row-text">
        <b>{props.text}</b>
      </span>
    </button>
  );
}

function After(props: { value: number; onChange(after: number): void }) {
  return (
    <Choice
      label={tl("after")}
      value={props.value}
      options={AFTER.map((after) => [after, tl(`after_${after}`)])}
      onChange={props.onChange}
    />
  );
}

function Secret(props: { label: string; hint?: string; of: Signal<string>; fresh?: boolean; focus?: boolean }) {
  const id = useId();
  return (
    <>
      <label class="field">
        <span>{props.label}</span>
        <input
          type="password"
          autoComplete={props.fresh ? "new-password" : "current-password"}
          minLength={props.fresh ? locks.LEAST : undefined}
          dir="auto"
          required
          autoFocus={props.focus}
          value={props.of.value}
          aria-describedby={props.hint && id}
          onInput={(event) => (props.of.value = event.currentTarget.value)}
        />
      </label>
      {props.hint && (
        <small class="hint" id={id}>
          {props.hint}
        </small>
      )}
    </>
  );
}

/** Passphrases, and what is done with them: `work` answers what is wrong, or nothing. */
function Ask(props: { label: string; danger?: boolean; children: ComponentChildren; work(): Promise<string> }) {
  const error = useSignal("");
  const busy = useSignal(false);
  const submit = async () => {
    busy.value = true;
    error.value = "";
    error.value = await props.work().catch(why);
    busy.value = false;
  };
  return (
    <form
      noValidate // what is wrong is said below, in the language of the app
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy.value) void submit();
      }}
    >
      {props.children}
      <p class="error pad-block" role="alert">
        {error.value}
      </p>
      <button type="submit" class={`button ${props.danger ? "danger" : ""}`} disabled={busy.value}>
        {busy.value ? <Spinner /> : props.label}
      </button>
    </form>
  );
}

/** Words for why it did not work. */
function why(problem: unknown): string {
  const code = locks.reason(problem);
  return code === "other_tab" ? tl("otherTab") : refusal(code);
}

/** What is wrong with a new passphrase; nothing if it will do. */
function fault(next: string, again: string): string {
  if (next.length < locks.LEAST) return tl("least", { n: locks.LEAST });
  return next === again ? "" : tl("differs");
}

function SetLock() {
  const [next, again, after] = [useSignal(""), useSignal(""), useSignal<number>(3_600_000)];
  const set = async () => {
    const wrong = fault(next.value, again.value);
    if (wrong) return wrong;
    await locks.setLock(engine, next.value, after.value);
    return "";
  };
  return (
    <div class="pad">
      <p class="hint">{tl("intro")}</p>
      <Ask label={tl("set")} work={set}>
        <Secret label={tl("passphrase")} hint={tl("least", { n: locks.LEAST })} of={next} fresh focus />
        <Secret label={tl("repeat")} of={again} fresh />
        <After value={after.value} onChange={(chosen) => (after.value = chosen)} />
        <p class="notice-warn">
          <Icon name="alert" />
          <span>{tl("warning")}</span>
        </p>
      </Ask>
    </div>
  );
}

function Change({ onClose }: { onClose(): void }) {
  const [held, next, again] = [useSignal(""), useSignal(""), useSignal("")];
  const change = async () => {
    const wrong = fault(next.value, again.value);
    if (wrong) return wrong;
    if (!(await locks.changePassphrase(held.value, next.value))) return tl("wrong");
    say(tl("changed"));
    onClose();
    return "";
  };
  return (
    <Dialog title={tl("change")} onClose={onClose} class="narrow">
      <Ask label={t("save")} work={change}>
        <Secret label={tl("current")} of={held} focus />
        <Secret label={tl("next")} hint={tl("least", { n: locks.LEAST })} of={next} fresh />
        <Secret label={tl("repeat")} of={again} fresh />
      </Ask>
    </Dialog>
  );
}

function Remove({ onClose }: { onClose(): void }) {
  const held = useSignal("");
  const remove = async () => {
    if (!(await locks.removeLock(held.value))) return tl("wrong");
    if (!locks.lock.value) say(tl("removed"));
    onClose();
    return "";
  };
  return (
    <Dialog title={tl("remove")} onClose={onClose} class="narrow">
      <Ask label={tl("remove")} danger work={remove}>
        <p>{tl("removeText")}</p>
        <Secret label={tl("passphrase")} of={held} focus />
      </Ask>
    </Dialog>
  );
}
