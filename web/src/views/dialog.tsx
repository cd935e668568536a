/** Modal dialogs. */

import type { ComponentChildren, RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n/i18n";
import { IconButton } from "./icon";
import { useLayer } from "./layer";

/** Opens it above everything; when it goes, focus is where it was before it came. */
export function useModal(box: RefObject<HTMLDialogElement | null>, onClose: () => void): void {
  // Asked before it is drawn: what has `autofocus` in it takes focus then, and the browser would go back to that.
  const [before] = useState(() => document.activeElement as HTMLElement | null);
  useLayer(onClose);
  useLayoutEffect(() => {
    const dialog = box.current!;
    if (!dialog.open) dialog.showModal();
    return () => {
      dialog.close();
      before?.focus();
    };
  }, []);
}

/** A modal: focus stays inside, Esc, Back and the backdrop close it, focus goes back where it was. */
export function Dialog(props: {
  title: string;
  onClose(): void;
  children: ComponentChildren;
  foot?: ComponentChildren;
  class?: string;
}) {
  const box = useRef<HTMLDialogElement>(null);
  useModal(box, props.onClose);
  return (
    <dialog
      ref={box}
      class={`dialog ${props.class ?? ""}`}
      aria-label={props.title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => event.target === event.currentTarget && props.onClose()}
    >
      <div class="dialog-body">
        <header>
          <h2>{props.title}</h2>
          <IconButton icon="close" label={t("close")} onClick={props.onClose} />
        </header>
        <div class="dialog-content">{props.children}</div>
        {props.foot && <footer>{props.foot}</footer>}
      </div>
    </dialog>
  );
}

export function Confirm(props: {
  title: string;
  text: string;
  actions: { label: string; danger?: boolean; run(): void }[];
  onClose(): void;
}) {
  return (
    <Dialog
      title={props.title}
      onClose={props.onClose}
      class="narrow"
      foot={
        <>
          <button type="button" class="button quiet" onClick={props.onClose}>
            {t("cancel")}
          </button>
          {props.actions.map((action) => (
            <button
              type="button"
              key={action.label}
              class={`button ${action.danger ? "danger" : ""}`}
              onClick={() => {
                props.onClose();
                action.run();
              }}
            >
              {action.label}
            </button>
          ))}
        </>
      }
    >
      <p>{props.text}</p>
    </Dialog>
  );
}
