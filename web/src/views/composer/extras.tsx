/** Polls, places and contacts. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import * as actions from "../../engine/actions";
import { people, say } from "../../engine/state";
import { t } from "../../i18n/i18n";
import type { ChatRow } from "../../store/schema";
import type { User } from "../../sync/wire";
import { Dialog } from "../dialog";
import { personName } from "../format";
import { Icon, IconButton } from "../icon";
import { Switch } from "../panel";
import { PersonAvatar, Spinner } from "../parts";

interface Props {
  row: ChatRow;
  onClose(): void;
}

const OPTIONS_MAX = 12;

export function PollDialog({ row, onClose }: Props) {
  const question = useSignal("");
  const options = useSignal(["", ""]);
  const multiple = useSignal(false);
  const filled = options.value.map((one) => one.trim()).filter(Boolean);
  const ready = question.value.trim() !== "" && filled.length >= 2;
  const send = () => {
    if (!ready) return;
    const made = filled.map((text, i) => ({ id: String(i + 1), text }));
    const poll = { kind: "poll" as const, question: question.value.trim(), options: made, multiple: multiple.value };
    void actions.send(row.id, poll).then((kept) => kept && onClose());
  };
  return (
    <Dialog
      title={t("newPoll")}
      onClose={onClose}
      class="narrow"
      foot={
        <button type="button" class="button" disabled={!ready} onClick={send}>
          <Icon name="send" /> {t("send")}
        </button>
      }
    >
      <label class="field">
        <span>{t("question")}</span>
        <input
          maxLength={300}
          autoComplete="off"
          autoFocus
          dir="auto"
          onInput={(event) => (question.value = event.currentTarget.value)}
        />
      </label>
      <div class="options" role="group" aria-label={t("options")}>
        {options.value.map((text, i) => (
          <span class="option" key={i}>
            <input
              dir="auto"
              autoComplete="off"
              maxLength={100}
              placeholder={t("option", { n: i + 1 })}
              aria-label={t("option", { n: i + 1 })}
              value={text}
              onInput={(event) => {
                const next = options.value.with(i, event.currentTarget.value);
                if (i === next.length - 1 && event.currentTarget.value && next.length < OPTIONS_MAX) next.push("");
                options.value = next;
              }}
            />
            {options.value.length > 2 && (
              <IconButton
                icon="close"
                label={t("removeOption")}
                onClick={() => (options.value = options.value.toSpliced(i, 1))}
              />
            )}
          </span>
        ))}
      </div>
      <Switch label={t("severalAnswers")} on={multiple.value} onChange={(on) => (multiple.value = on)} />
    </Dialog>
  );
}

export function PlaceDialog({ row, onClose }: Props) {
  const at = useSignal<GeolocationCoordinates | null>(null);
  const name = useSignal("");
  const failed = useSignal(false);
  useEffect(() => {
    navigator.geolocation.getCurrentPosition(
      (found) => (at.value = found.coords),
      () => (failed.value = true),
      { timeout: 15_000, enableHighAccuracy: true },
    );
  }, []);
  const send = () => {
    const { latitude: lat, longitude: lon } = at.value!;
    const named = name.value.trim() ? { name: name.value.trim() } : {};
    void actions.send(row.id, { kind: "location", lat, lon, ...named }).then((kept) => kept && onClose());
  };
  return (
    <Dialog
      title={t("sendLocation")}
      onClose={onClose}
      class="narrow"
      foot={
        <button type="button" class="button" disabled={!at.value} onClick={send}>
          <Icon name="send" /> {t("send")}
        </button>
      }
    >
      {failed.value ? (
        <p class="error" role="alert">
          {t("noLocation")}
        </p>
      ) : at.value ? (
        <p class="hint">
          <Icon name="place" />{" "}
          {`${at.value.latitude.toFixed(5)}, ${at.value.longitude.toFixed(5)} (±${Math.round(at.value.accuracy)} m)`}
        </p>
      ) : (
        <p class="hint">
          <Spinner /> {t("locating")}
        </p>
      )}
      <label class="field">
        <span>{t("placeName")}</span>
        <input
          maxLength={200}
          autoComplete="off"
          dir="auto"
          onInput={(event) => (name.value = event.currentTarget.value)}
        />
      </label>
    </Dialog>
  );
}

export function ContactDialog({ row, onClose }: Props) {
  const found = useSignal<User[] | null>(null);
  useEffect(() => {
    actions.contacts().then(
      (users) => (found.value = users),
      () => (found.value = [...people.value.values()].filter((user) => user.isContact)),
    );
  }, []);
  const send = (user: User) => {
    if (!user.phone) return say(t("noPhone"));
    const contact = { kind: "contact" as const, name: personName(user), phones: [user.phone], userId: user.id };
    void actions.send(row.id, contact).then((kept) => kept && onClose());
  };
  return (
    <Dialog title={t("sendContact")} onClose={onClose} class="narrow tall">
      {found.value === null ? (
        <Spinner />
      ) : found.value.length === 0 ? (
        <p class="hint">{t("noContactsText")}</p>
      ) : (
        found.value.map((user) => (
          <button type="button" class="row" key={user.id} onClick={() => send(user)}>
            <PersonAvatar user={user} />
            <span class="row-text">
              <b dir="auto">{personName(user)}</b>
              <small dir="ltr">{user.phone}</small>
            </span>
          </button>
        ))
      )}
    </Dialog>
  );
}
