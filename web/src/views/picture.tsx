/** Choose a picture of oneself or of a group. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n/i18n";
import type { Media } from "../sync/wire";
import { Icon } from "./icon";
import { Avatar } from "./parts";

export function PicturePick(props: {
  id: string;
  name: string;
  media?: Media | null | undefined;
  onPick(file: File): void;
  disabled?: boolean;
}) {
  const url = useSignal("");
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => () => (url.peek() ? URL.revokeObjectURL(url.peek()) : undefined), []);
  return (
    <div class="picture-pick">
      <button
        type="button"
        aria-label={t("choosePicture")}
        disabled={props.disabled}
        onClick={() => input.current?.click()}
      >
        {url.value ? (
          <span class="avatar avatar-xl">
            <img src={url.value} alt="" />
          </span>
        ) : (
          <Avatar id={props.id} name={props.name} media={props.media} size="xl" />
        )}
        {!props.disabled && (
          <span class="camera">
            <Icon name="camera" />
          </span>
        )}
      </button>
      <input
        ref={input}
        type="file"
        accept="image/*"
        hidden
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          if (!file) return;
          if (url.value) URL.revokeObjectURL(url.value);
          url.value = URL.createObjectURL(file);
          props.onPick(file);
        }}
      />
    </div>
  );
}
