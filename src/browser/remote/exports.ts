/** What stays on this side and is known to the other by a number: objects, functions, signals. */
import type { Encoded, Facts, Message, Opened } from './messages.ts';
import { encode } from './encode.ts';
import type { Exporter } from './encode.ts';
import type { Shape } from './shape.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

export interface ServedObject {
  readonly value: object;
  readonly shape: Shape;
}

/** What the values of one call gave out: it is forgotten with the call. */
export interface Scope extends Exporter {
  signalOf(id: number): AbortSignal | undefined;
  release(): void;
}

export interface Exports {
  scope(): Scope;
  functionOf(id: number): AnyFunction | undefined;
  objectOf(target: number): ServedObject | undefined;
  open(served: ServedObject): Opened;
  close(target: number): void;
  factsOf(served: ServedObject): Facts;
}

export const ROOT = 0;

interface ScopeOptions {
  /** Of all scopes, by their ids. */
  readonly functions: Map<number, AnyFunction>;
  readonly newId: () => number;
  readonly tellAbort: (signal: number, reason: unknown) => void;
}

function openScope({ functions, newId, tellAbort }: ScopeOptions): Scope {
  const ids: number[] = [];
  const signals = new Map<number, AbortSignal>();
  const ending = new AbortController();
  return {
    exportFunction(value) {
      const id = newId();
      ids.push(id);
      functions.set(id, value);
      return id;
    },
    exportSignal(value) {
      const id = newId();
      signals.set(id, value);
      value.addEventListener('abort', () => tellAbort(id, value.reason), { once: true, signal: ending.signal });
      return id;
    },
    exportPieces(value) {
      const id = this.exportFunction(() => {
        functions.delete(id);
        return value;
      });
      return id;
    },
    signalOf: (id) => signals.get(id),
    release() {
      ending.abort();
      for (const id of ids) functions.delete(id);
    },
  };
}

export function createExports(post: (message: Message) => void, root: ServedObject | undefined): Exports {
  const objects = new Map<number, ServedObject>(root === undefined ? [] : [[ROOT, root]]);
  const functions = new Map<number, AnyFunction>();
  let last = ROOT;

  const newId = () => ++last;
  const scope = () => openScope({ functions, newId, tellAbort });
  const permanent = scope();
  function tellAbort(signal: number, reason: unknown): void {
    post({ type: 'abort', signal, reason: encode(reason, permanent) });
  }

  function factsOf({ value, shape }: ServedObject): Facts {
    const facts: Record<string, Encoded> = {};
    for (const [name, member] of Object.entries(shape))
      if (member === 'value' || member === 'setting') facts[name] = encode((value as Record<string, unknown>)[name], permanent);
    return facts;
  }

  function open(served: ServedObject): Opened {
    const target = newId();
    objects.set(target, served);
    const inner = Object.entries(served.shape).flatMap(([name, member]) =>
      typeof member === 'object' && 'object' in member
        ? [[name, open({ value: (served.value as Record<string, object>)[name]!, shape: member.object })] as const]
        : [],
    );
    return { target, facts: factsOf(served), objects: Object.fromEntries(inner) };
  }

  return {
    scope,
    open,
    factsOf,
    functionOf: (id) => functions.get(id),
    objectOf: (target) => objects.get(target),
    close: (target) => void objects.delete(target),
  };
}
