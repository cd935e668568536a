/**
 * The steps of one core, in order: it takes each input at once, and what is to be done of it waits until its operations
 * are on disk. Those that came while the disk was busy are committed together.
 */

import type { Row } from "../store/schema";
import type { Store } from "../store/store";
import type { Core } from "../sync/core";
import type { Effect, Input, Step } from "../sync/model";
import { type Call, isAsked } from "./calls";

const BATCH = 128; // steps committed together

/** A step of the core that is not on disk yet. `early`: the rows of it that are shown already. */
export interface Taken extends Step {
  wish: number | undefined;
  online: boolean;
  syncing: boolean;
  early: Row[];
}

/** Whom the steps move. */
export interface Moved {
  /** What is only asked need not wait for the disk: its answer is taken after this step, or not at all. */
  ask(call: Call): Promise<Input>;
  /** On disk; to be done now. */
  perform(effect: Effect): void;
  /** All that was committed together is on disk and done. */
  committed(steps: Taken[]): void;
  /** The store did not take a step, or not all of it, and these steps are over. */
  broke(error: unknown): void;
}

const hides = ({ ops, early }: Taken) => !early.length && ops.some((op) => op.op === "putMessage");

export class Steps {
  #queue: Taken[] = [];
  #unshown = 0; // steps that wait for the disk with messages that are not shown yet
  #work: Promise<void> = Promise.resolve();
  #working = false;
  #over = false;

  constructor(
    private readonly core: Core,
    private readonly store: Pick<Store, "apply" | "foreshow" | "forget">,
    private readonly moved: Moved,
    private readonly nowMs = () => Math.floor(performance.now()),
  ) {}

  put(input: Input, wish?: number): void {
    if (this.#over) return;
    const { ops, effects } = this.core.handle(input, this.nowMs());
    const { online, syncing } = this.core;
    const taken: Taken = { ops, effects, wish, online, syncing, early: [] };
    this.#queue.push(taken);
    try {
      // Nothing is shown before what is ahead of it: what is seen counts as read up to there.
      if (!syncing && !this.#unshown) taken.early = this.store.foreshow(ops);
    } finally {
      if (hides(taken)) this.#unshown++;
      if (!this.#working) this.#work = this.#commit();
    }
  }

  /** What is not being written now will not be; what of it is shown goes. Answers when nothing is being written. */
  async end(): Promise<void> {
    if (!this.#over) {
      this.#over = true;
      this.store.forget(this.#queue.flatMap((one) => one.early));
      this.#queue = [];
    }
    await this.#work;
  }

  async #commit(): Promise<void> {
    this.#working = true;
    try {
      while (this.#queue.length) await this.#batch(this.#queue.splice(0, BATCH));
    } finally {
      this.#working = false; // in the turn in which nothing was left: whoever comes next begins anew
    }
  }

  async #batch(steps: Taken[]): Promise<void> {
    const effects = steps.flatMap((one) => one.effects);
    const wishes = steps.flatMap(({ wish }) => (wish === undefined ? [] : [wish]));
    const ops = steps.flatMap((one) => one.ops);
    const early = steps.flatMap((one) => one.early);
    for (const effect of effects) if (isAsked(effect)) void this.moved.ask(effect).then((input) => this.put(input));
    try {
      await this.store.apply(ops, wishes, early, () => !this.#over);
    } catch (error) {
      if (this.#over) return;
      void this.end();
      this.moved.broke(error);
    }
    if (this.#over) return;
    this.#unshown -= steps.filter(hides).length;
    for (const effect of effects) if (!isAsked(effect)) this.moved.perform(effect);
    this.moved.committed(steps);
  }
}
