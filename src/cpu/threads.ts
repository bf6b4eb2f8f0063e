/**
 * Worker threads over one shared memory. They run the module's `threadMain`, which waits inside WebAssembly for steps;
 * the host starts a step by a counter in memory and hears of its end by a message from the last thread.
 */
import { CONTROL } from './control-layout.ts';
import type { ThreadHandle, ThreadHost } from './thread-host.ts';

interface ThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly thread: number;
}

/** As text, so that it runs from source, from a build, from a package and in a page alike. */
const THREAD_SOURCE = `
  try {
    const { exports } = new WebAssembly.Instance(data.module, {
      env: { memory: data.memory, abort: () => { throw new Error('the kernel module aborted'); } },
    });
    post('ready');
    while (exports.threadMain(data.control, data.thread) === 1) post('done');
  } catch (error) {
    post({ failure: String((error && error.stack) || error) });
  }
`;

export interface ThreadsOptions {
  readonly host: ThreadHost;
  readonly count: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of the control block, filled but for the words that a step needs. */
  readonly control: number;
}

export interface StepRange {
  readonly program: number;
  readonly programEnd: number;
  readonly step: number;
}

/** A fixed set of threads that run one step at a time. After a failure every run rejects with it. */
export class Threads {
  readonly #handles: ThreadHandle[];
  readonly #words: Int32Array;
  readonly #ready: Promise<void>;
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #ending: Promise<unknown> | undefined;

  constructor({ host, count, module, memory, control }: ThreadsOptions) {
    this.#words = new Int32Array(memory.buffer, control, 512 / 4);
    let missing = count;
    this.#ready = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    const onMessage = (message: unknown) => {
      if (message === 'ready') missing--;
      else if (message !== 'done') return this.#fail(new Error(`A compute thread failed: ${failureText(message)}`));
      if (message === 'done' || missing === 0) this.#settle();
    };
    const onFailure = (error: Error) => this.#fail(error);
    this.#handles = Array.from({ length: count }, (_, thread) =>
      host.spawn(THREAD_SOURCE, { module, memory, control, thread } satisfies ThreadData, { onMessage, onFailure }));
  }

  /** Resolves once every thread waits for its first step. */
  async start(): Promise<void> {
    await this.#ready;
    this.#keepAlive(false);
  }

  /** Runs the ops in [program, programEnd) on all threads. */
  run({ program, programEnd, step }: StepRange): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#waiting !== undefined) return Promise.reject(new Error('Threads.run: a step is still running'));
    const words = this.#words;
    words[CONTROL.program / 4] = program;
    words[CONTROL.programEnd / 4] = programEnd;
    words[CONTROL.step / 4] = step;
    this.#keepAlive(true);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      Atomics.add(words, CONTROL.generation / 4, 1);
      Atomics.notify(words, CONTROL.generation / 4);
    });
  }

  /** Ends the threads; a run that is under way rejects. Idempotent. */
  async dispose(): Promise<void> {
    this.#fail(new Error('The program was disposed of'));
    await this.#ending;
  }

  #settle(): void {
    // The threads are being ended: letting go of them now would end the process before that is done.
    if (this.#failure !== undefined) return;
    this.#keepAlive(false);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve();
  }

  /** Threads that wait at a barrier for a failed one would wait for ever: all of them end. */
  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
    Atomics.store(this.#words, CONTROL.stop / 4, 1);
    Atomics.add(this.#words, CONTROL.generation / 4, 1);
    Atomics.notify(this.#words, CONTROL.generation / 4);
    this.#ending = Promise.all(this.#handles.map((handle) => handle.terminate()));
  }

  #keepAlive(wanted: boolean): void {
    for (const handle of this.#handles) handle.keepAlive(wanted);
  }
}

function failureText(message: unknown): string {
  return typeof message === 'object' && message !== null && 'failure' in message ? String(message.failure) : String(message);
}
