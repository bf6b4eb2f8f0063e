/**
 * Worker threads over one shared memory. They run the module's `threadMain`, which waits inside WebAssembly for steps;
 * the host starts a step by a counter in memory and hears of its end by a message from the last thread. In short steps the host's
 * own thread takes the place of the last worker, which stays asleep: no message, and no more threads than there are cores.
 */
import { CONTROL } from './control-layout.ts';
import type { KernelExports } from './kernel-module.ts';
import { createStepTimes } from './step-times.ts';
import type { ThreadHandle, ThreadHost } from './thread-host.ts';

interface ThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly control: number;
  readonly thread: number;
}

/**
 * As text, so that it runs from source, from a build, from a package and in a page alike. No name of it may be one that a CommonJS
 * module has (`exports`): Bun and Deno run it as one.
 */
const THREAD_SOURCE = `
  let kernels;
  try {
    ({ exports: kernels } = new WebAssembly.Instance(data.module, {
      env: { memory: data.memory, abort: () => { throw new Error('the kernel module aborted'); } },
    }));
    post('ready');
    while (kernels.threadMain(data.control, data.thread) === 1) post('done');
  } catch (error) {
    if (kernels !== undefined) kernels.abandonStep(data.control);
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
  /** The module over the same memory on the host's thread. Left out: workers run every step. */
  readonly kernels?: Pick<KernelExports, 'hostMain'> | undefined;
}

export interface StepRange {
  readonly program: number;
  readonly programEnd: number;
  readonly step: number;
  /** Address of what the steps behind this one are made by (`burst-layout.ts`). Absent: it is one step. */
  readonly burst?: number | undefined;
  /** The most rows of any kind that the step has. Left out: the workers run it, however short it is. */
  readonly rows?: number | undefined;
}

interface HostPart {
  run(): void;
  turn(): Promise<void>;
}

/** A fixed set of threads that run one step at a time. After a failure every run rejects with it. */
export class Threads {
  readonly #handles: ThreadHandle[];
  readonly #words: Int32Array;
  readonly #ready: Promise<void>;
  readonly #times = createStepTimes();
  /** Runs a step on this thread too, and lets others have their turn; undefined where this thread may not, or need not. */
  readonly #hosted: HostPart | undefined;
  /** Whether there are no workers, so that this thread runs every step. */
  readonly #isAlone: boolean;
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #ending: Promise<unknown> | undefined;

  constructor({ host, count, module, memory, control, kernels }: ThreadsOptions) {
    this.#words = new Int32Array(memory.buffer, control, 512 / 4);
    const { turn } = host;
    const isAble = kernels !== undefined && turn !== undefined && (count === 1 || mayBlock(this.#words));
    this.#hosted = isAble ? { run: () => kernels.hostMain(control), turn } : undefined;
    this.#isAlone = host.spawn === undefined;
    if (this.#isAlone && (count !== 1 || this.#hosted === undefined))
      throw new Error('a host without workers runs one thread, its own, and lets others have their turn');
    let missing = this.#isAlone ? 0 : count;
    this.#ready = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    const onMessage = (message: unknown) => {
      if (message === 'ready') missing--;
      else if (message !== 'done') return this.#fail(new Error(`A compute thread failed: ${failureText(message)}`));
      if (message === 'done' || missing === 0) this.#settle();
    };
    const onFailure = (error: Error) => this.#fail(error);
    this.#handles = Array.from({ length: missing }, (_, thread) =>
      host.spawn!(THREAD_SOURCE, { module, memory, control, thread } satisfies ThreadData, { onMessage, onFailure }));
    if (this.#isAlone) this.#settle();
  }

  /** False: the calling thread runs every step. */
  get areWorkers(): boolean {
    return !this.#isAlone;
  }

  /** Resolves once every thread waits for its first step. */
  async start(): Promise<void> {
    await this.#ready;
    this.#keepAlive(false);
  }

  /** Runs the ops in [program, programEnd) on all threads. */
  async run({ program, programEnd, step, burst = 0, rows }: StepRange): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#waiting !== undefined) throw new Error('Threads.run: a step is still running');
    const words = this.#words;
    words[CONTROL.program / 4] = program;
    words[CONTROL.programEnd / 4] = programEnd;
    words[CONTROL.step / 4] = step;
    words[CONTROL.burst / 4] = burst;
    if (this.#isAlone) return this.#runHere(this.#hosted!);
    if (rows === undefined) return this.#runOnWorkers();
    const begin = performance.now();
    const hosted = this.#times.isShort(program, rows) ? this.#hosted : undefined;
    await (hosted === undefined ? this.#runOnWorkers() : this.#runHere(hosted));
    this.#times.add(program, rows, performance.now() - begin);
  }

  #runOnWorkers(): Promise<void> {
    const words = this.#words;
    words[CONTROL.hosted / 4] = 0;
    this.#keepAlive(true);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#wake();
    });
  }

  /** What waits for its turn on this thread (a timer, a request, a signal) has it between any two steps. */
  async #runHere({ run, turn }: HostPart): Promise<void> {
    try {
      run();
    } catch (error) {
      const isWorkers = Atomics.load(this.#words, CONTROL.stop / 4) !== 0;
      // A worker that failed has sent this thread out of the step; its own words are on their way.
      if (isWorkers) this.#keepAlive(true);
      if (isWorkers) await new Promise<void>((resolve, reject) => void (this.#waiting = { resolve, reject }));
      this.#fail(new Error(`A compute thread failed: ${failureText(error)}`));
    }
    await turn();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #wake(): void {
    for (const word of [CONTROL.generation, CONTROL.lastGeneration]) {
      Atomics.add(this.#words, word / 4, 1);
      Atomics.notify(this.#words, word / 4);
    }
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
    this.#wake();
    this.#ending = Promise.all(this.#handles.map((handle) => handle.terminate()));
  }

  #keepAlive(wanted: boolean): void {
    for (const handle of this.#handles) handle.keepAlive(wanted);
  }
}

/** Whether this thread may wait for others: a page's own may not. */
function mayBlock(words: Int32Array): boolean {
  try {
    return Atomics.wait(words, CONTROL.stop / 4, -1, 0) === 'not-equal';
  } catch {
    return false;
  }
}

function failureText(message: unknown): string {
  if (message instanceof Error) return String(message.stack ?? message);
  return typeof message === 'object' && message !== null && 'failure' in message ? String(message.failure) : String(message);
}
