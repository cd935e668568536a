/** What the server is asked when a panel opens. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { failure } from "../engine/here";
import { link } from "../engine/state";
import { refusal } from "./format";
import { Empty, Spinner } from "./parts";

/** Asked at once, and once more when there is a connection. `held` is null until it answered; `code`: why it did not. */
export function useAnswer<T>(ask: () => Promise<T>) {
  const held = useSignal<T | null>(null);
  const code = useSignal("");
  const there = link.value === "online" || link.value === "syncing";
  useEffect(() => {
    if (held.value !== null) return;
    code.value = "";
    ask().then(
      (found) => (held.value = found),
      (error) => (code.value = failure(error).code),
    );
  }, [there]);
  return { held, code };
}

/** Stands where the answer will be. */
export function Unanswered({ code }: { code: string }) {
  return code ? <Empty icon={code === "unreachable" ? "offline" : "alert"} title={refusal(code)} /> : <Spinner />;
}
