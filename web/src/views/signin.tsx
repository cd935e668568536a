/** Sign in by phone and code; the first time also a name and a picture. */

import "../style/panels.css";
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as actions from "../engine/actions";
import { engine, failure } from "../engine/here";
import { me, phase } from "../engine/state";
import { LOCALES, type Locale, locale, t } from "../i18n/i18n";
import { refusal } from "./format";
import { Icon } from "./icon";
import { setLook } from "./look";
import { Spinner } from "./parts";
import { PicturePick } from "./picture";

export function SignIn() {
  return (
    <main class="gate">
      <div class="gate-card">
        <img src="/icons/icon.svg" alt="" width={64} height={64} />
        {phase.value === "profile" ? <FirstRun /> : <Phone />}
      </div>
      <label class="gate-language">
        <Icon name="globe" />
        <span class="sr-only">{t("language")}</span>
        <select
          value={locale.value}
          onChange={(event) => {
            const wanted = event.currentTarget.value as Locale;
            setLook({ locale: wanted });
            void import("../i18n/i18n").then((module) => module.speak(wanted));
          }}
        >
          {Object.entries(LOCALES).map(([id, name]) => (
            <option key={id} value={id}>
              {name}
            </option>
          ))}
        </select>
      </label>
    </main>
  );
}

function Phone() {
  const phone = useSignal("");
  const sent = useSignal<"" | "sms" | "shown">("");
  const code = useSignal("");
  const error = useSignal("");
  const busy = useSignal(false);
  const wait = useSignal(0);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (wait.value <= 0) return;
    const timer = setTimeout(() => (wait.value -= 1), 1_000);
    return () => clearTimeout(timer);
  }, [wait.value]);
  useEffect(() => {
    if (sent.value) box.current?.focus();
  }, [sent.value]);

  const attempt = async (work: () => Promise<void>) => {
    busy.value = true;
    error.value = "";
    try {
      await work();
    } catch (problem) {
      error.value = refusal(failure(problem).code);
    }
    busy.value = false;
  };
  const ask = () =>
    attempt(async () => {
      const answer = await engine.session.requestCode(plain(phone.value));
      sent.value = answer.delivery ?? "sms";
      wait.value = answer.resendAfter;
    });
  const verify = () => attempt(() => engine.signIn(plain(phone.value), code.value));

  if (!sent.value)
    return (
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <h1>{t("signInTitle")}</h1>
        <p>{t("signInText")}</p>
        <label class="field">
          <span>{t("phone")}</span>
          <input
            type="tel"
            autoComplete="tel"
            inputMode="tel"
            placeholder={"+49 1512 3456789"}
            dir="ltr"
            required
            autoFocus
            value={phone.value}
            aria-invalid={error.value !== ""}
            onInput={(event) => (phone.value = event.currentTarget.value)}
          />
        </label>
        <Problem text={error.value} />
        <button type="submit" class="button wide" disabled={busy.value || plain(phone.value).length < 6}>
          {busy.value ? <Spinner /> : t("continue")}
        </button>
      </form>
    );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void verify();
      }}
    >
      <h1>{t("codeTitle")}</h1>
      <p>
        {sent.value === "sms" ? (
          t("codeText", { phone: phone.value })
        ) : (
          <>
            {t("codeShown")} <code dir="ltr">{`tidings code ${plain(phone.value)}`}</code>
          </>
        )}
      </p>
      <label class="field">
        <span>{t("code")}</span>
        <input
          ref={box}
          class="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          pattern="[0-9]*"
          maxLength={8}
          dir="ltr"
          required
          value={code.value}
          aria-invalid={error.value !== ""}
          onInput={(event) => {
            code.value = event.currentTarget.value.replace(/\D/g, "");
            error.value = "";
            if (code.value.length === 6 && !busy.value) void verify();
          }}
        />
      </label>
      <Problem text={error.value} />
      <button type="submit" class="button wide" disabled={busy.value || code.value.length < 4}>
        {busy.value ? <Spinner /> : t("signIn")}
      </button>
      <div class="gate-more">
        <button
          type="button"
          class="link"
          onClick={() => {
            sent.value = "";
            code.value = "";
            error.value = "";
          }}
        >
          {t("otherNumber")}
        </button>
        <button type="button" class="link" disabled={wait.value > 0 || busy.value} onClick={() => void ask()}>
          {wait.value > 0 ? t("resendIn", { n: wait.value }) : t("resend")}
        </button>
      </div>
    </form>
  );
}

function FirstRun() {
  const name = useSignal(me.value?.name ?? "");
  const about = useSignal("");
  const picture = useSignal<File | null>(null);
  const busy = useSignal(false);
  const error = useSignal("");
  const save = async () => {
    busy.value = true;
    try {
      const media = picture.value ? await actions.uploadPicture(picture.value) : null;
      await actions.setProfile({
        name: name.value.trim(),
        ...(about.value.trim() ? { about: about.value.trim() } : {}),
        ...(media ? { avatarMediaId: media.id } : {}),
      });
    } catch (problem) {
      error.value = refusal(failure(problem).code);
      busy.value = false;
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <h1>{t("profileTitle")}</h1>
      <p>{t("profileText")}</p>
      <PicturePick name={name.value} id={me.value?.id ?? ""} onPick={(file) => (picture.value = file)} />
      <label class="field">
        <span>{t("name")}</span>
        <input
          autoComplete="name"
          maxLength={64}
          required
          autoFocus
          dir="auto"
          value={name.value}
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
      </label>
      <label class="field">
        <span>{t("aboutOptional")}</span>
        <input maxLength={140} dir="auto" onInput={(event) => (about.value = event.currentTarget.value)} />
      </label>
      <Problem text={error.value} />
      <button type="submit" class="button wide" disabled={busy.value || !name.value.trim()}>
        {busy.value ? <Spinner /> : t("continue")}
      </button>
    </form>
  );
}

function Problem({ text }: { text: string }) {
  return (
    <p class="error" role="alert">
      {text}
    </p>
  );
}

/** Digits and a leading plus. */
function plain(phone: string): string {
  const trimmed = phone.trim().replace(/^00/, "+");
  return trimmed.replace(/(?!^\+)\D/g, "");
}
