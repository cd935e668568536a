/** What panels of settings and forms are made of. */

import type { ComponentChildren } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { t } from "../i18n/i18n";
import { land } from "./focus";
import { IconButton } from "./icon";

export function Switch(props: {
  label: string;
  hint?: string;
  on: boolean;
  onChange(on: boolean): void;
  disabled?: boolean;
}) {
  return (
    <label class="setting">
      <span>
        {props.label}
        {props.hint && <small>{props.hint}</small>}
      </span>
      <input
        type="checkbox"
        role="switch"
        checked={props.on}
        disabled={props.disabled}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
    </label>
  );
}

/** The head of a panel: Back, a title, and what stands at its end. */
export function PanelHead(props: { title: string; onBack(): void; children?: ComponentChildren }) {
  useLayoutEffect(land, []);
  return (
    <header class="panel-head">
      <IconButton icon="back" label={t("back")} onClick={props.onBack} class="flip" />
      <h1>{props.title}</h1>
      {props.children}
    </header>
  );
}
