/** Views that are loaded when they are needed. */

import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import { Broken, Spinner } from "./parts";

interface How {
  /** Loaded beside the shell, before it is shown. */
  eager?: boolean;
  /** Nothing shows that it is being loaded. */
  blank?: boolean;
}

/** A view that is loaded when it is first shown. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>, { eager, blank }: How = {}) {
  const ready = signal<{ View: ComponentType<P> } | null>(null);
  const broken = signal(false);
  const start = () => {
    broken.value = false;
    return load().then(
      (View) => {
        ready.value = { View };
      },
      () => {
        broken.value = true;
      },
    );
  };
  if (eager) void start();
  return function Lazy(props: P) {
    useEffect(() => {
      if (!ready.value) void start();
    }, []);
    const found = ready.value;
    if (found) return <found.View {...props} />;
    return blank ? null : <div class="panel waiting">{broken.value ? <Broken /> : <Spinner />}</div>;
  };
}
