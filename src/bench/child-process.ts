/** A process of its own for an engine: started, asked by messages, killed with all that it started. */
import { fork } from 'node:child_process';
import type { ChildProcess, ForkOptions } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The value comes first, from the start itself; then one for each request, in order. An error keeps the name of its class. */
export type ChildAnswer = { readonly value: unknown } | { readonly error: string; readonly name: string };

export interface ChildRequest {
  readonly method: string;
  readonly args: readonly unknown[];
}

export interface StartedChild {
  /** What it answered when it was ready. */
  readonly ready: unknown;
  /** From the start of the process to that answer. */
  readonly readyMs: number;
  call(method: string, args: readonly unknown[]): Promise<unknown>;
  /** Waits until the process has gone; kills it where it does not go by itself. */
  end(): Promise<void>;
}

export interface StartOptions {
  /** A module of this folder, without its extension. */
  readonly module: string;
  readonly args: readonly string[];
  /** For messages. */
  readonly title: string;
  readonly signal: AbortSignal;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

const END_MS = 10_000;
const KEPT_OUTPUT = 2000;
const OWN_GROUP = process.platform !== 'win32';

/** Ends the process and what it started, which a group of its own makes possible. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (OWN_GROUP) process.kill(-child.pid, 'SIGKILL');
    else child.kill('SIGKILL');
  } catch {
    child.kill('SIGKILL');
  }
}

function forkModule({ module, args, env }: StartOptions): {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  readonly complaints: () => string;
} {
  // What engines print must not get between the lines of this process.
  const options: ForkOptions = { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], detached: OWN_GROUP, env: { ...process.env, ...env } };
  const child = fork(fileURLToPath(new URL(`./${module}.js`, import.meta.url)), args, options);
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => void (text = (text + chunk).slice(-KEPT_OUTPUT)));
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.on('error', () => resolve());
  });
  return { child, exited, complaints: () => text.trim().split('\n').slice(-3).join(' ') };
}

/**
 * Starts a module of this folder and waits for its first answer.
 * Rejects with what it answered or last printed where it fails, and with the signal's reason when that aborts; it is dead then.
 */
export async function startChild(options: StartOptions): Promise<StartedChild> {
  const { title, signal } = options;
  signal.throwIfAborted();
  const startMs = performance.now();
  const { child, exited, complaints } = forkModule(options);
  const waiting: { resolve(value: unknown): void; reject(error: Error): void }[] = [];
  const answer = () => new Promise<unknown>((resolve, reject) => waiting.push({ resolve, reject }));
  const failAll = (error: Error) => waiting.splice(0).forEach(({ reject }) => reject(error));
  let isOver = false;
  const onAbort = () => {
    kill(child);
    failAll(signal.reason as Error);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  child.on('message', (message: ChildAnswer) => {
    const next = waiting.shift();
    if ('error' in message) next?.reject(Object.assign(new Error(`${title}: ${message.error}`), { name: message.name }));
    else next?.resolve(message.value);
  });
  void exited.then(() => {
    isOver = true;
    signal.removeEventListener('abort', onAbort);
    failAll(new Error(`${title}: its process ended (${child.signalCode ?? child.exitCode})${complaints() && `: ${complaints()}`}`));
  });
  const end = async () => {
    const timer = setTimeout(() => kill(child), END_MS);
    if (child.connected) child.disconnect();
    await exited;
    clearTimeout(timer);
  };
  try {
    const ready = await answer();
    const call = (method: string, args: readonly unknown[]) => {
      if (isOver) return Promise.reject(new Error(`${title}: its process has ended`));
      child.send({ method, args } satisfies ChildRequest);
      return answer();
    };
    return { ready, readyMs: performance.now() - startMs, call, end };
  } catch (error) {
    kill(child);
    await exited;
    throw error;
  }
}
