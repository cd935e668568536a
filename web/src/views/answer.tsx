/** What the server is asked when a panel opens. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { failure } from "../engine/here";
import { connected, link } from "../engine/state";
import { refusal } from "./format";
import { Empty, Spinner } from "./parts";

/** Asked at once, and again whenever there is a connection anew. `held` is null until it answered; `code`: why it did not. */
export function useAnswer<T>(ask: () => Promise<T>) {
  const held = useSignal<T | null>(null);
  const code = useSignal("");
  const asked = useRef(0);
  const trying = link.value === "connecting";
  useEffect(() => {
    if (trying) return;
    const mine = ++asked.current; // one that was asked before may answer later
    code.value = "";
    ask().then(
      (found) => {
        if (mine === asked.current) held.value = found;
      },
      (error) => {
        if (mine === asked.current) code.value = failure(error).code;
      },
    );
  }, [connected.value, trying]);
  return { held, code };
}

/** Stands where the answer will be. */
export function Unanswered({ code, children }: { code: string; children?: ComponentChildren }) {
  if (!code) return <Spinner />;
  return (
    <Empty icon={code === "unreachable" ? "offline" : "alert"} title={refusal(code)}>
      {children}
    </Empty>
  );
}
