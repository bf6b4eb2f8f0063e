/** A program until it closes: what comes is refused from then on, and what runs is waited for before the program is freed. */
import type { Program, TokenChooser } from '../graph/executor.ts';

export class OpenProgram {
  readonly #program: Program;
  readonly #release: (() => Promise<void>) | undefined;
  readonly #running = new Set<Promise<unknown>>();
  #freeing: Promise<void> | undefined;
  #closedBy: Error | undefined;

  /** @param release called once, when the program has been freed */
  constructor(program: Program, release: (() => Promise<void>) | undefined) {
    this.#program = program;
    this.#release = release;
  }

  /** Throws the closing error after {@link OpenProgram.refuse}. */
  check(): void {
    if (this.#closedBy !== undefined) throw this.#closedBy;
  }

  /** The program is freed after this step. */
  async track<Result>(step: Promise<Result>): Promise<Result> {
    this.#running.add(step);
    try {
      return await step;
    } finally {
      this.#running.delete(step);
    }
  }

  /**
   * Submits are refused once the program closes. What a device of its own has under way then ends with it; threads are waited for, which
   * end with the step that runs, since nobody waits for its tokens.
   */
  chooser(own: TokenChooser): TokenChooser {
    return {
      mostSequences: own.mostSequences,
      mostSteps: own.mostSteps,
      followsGrammars: own.followsGrammars,
      choosesLikeliestOnly: own.choosesLikeliestOnly,
      sharesCores: own.sharesCores,
      open: (choice) => own.open(choice),
      close: (choice) => own.close(choice),
      prepare: (batch) => own.prepare(batch),
      submit: async (batch) => {
        this.check();
        const { results, choose } = await this.track(own.submit(batch));
        if (own.sharesCores === true) this.track(results).catch(() => {});
        const open = results.then((chosen) => (this.check(), chosen), (error: unknown) => {
          this.check();
          throw error;
        });
        open.catch(() => {});
        return { results: open, choose };
      },
    };
  }

  /** Refuses what comes from now on. @returns the error that it is refused with, which is the first call's */
  refuse(error: Error): Error {
    return (this.#closedBy ??= error);
  }

  /** Waits for what runs, and frees the program. Idempotent. */
  free(): Promise<void> {
    return (this.#freeing ??= Promise.allSettled(this.#running).then(() => this.#free()));
  }

  async #free(): Promise<void> {
    try {
      await this.#program.dispose();
    } finally {
      await this.#release?.();
    }
  }
}
