/** Calls of the other side to objects and functions of this one. */
import { decode, encode } from './encode.ts';
import type { Importer } from './encode.ts';
import type { Exports, Scope, ServedObject } from './exports.ts';
import type { Encoded, Facts, Failure, Message } from './messages.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- any function at all
type AnyFunction = (...args: any[]) => unknown;

export interface Incoming {
  receive(message: Message): void;
  /** The other side is gone: what it was reading is closed. */
  end(): void;
}

export interface IncomingParts {
  readonly post: (message: Message) => void;
  readonly exports: Exports;
  /** Functions of the other side. */
  readonly functionOf: (id: number) => AnyFunction;
  readonly piecesOf: (id: number) => AsyncIterable<unknown>;
}

/** What a call of the other side brought, for as long as it runs. */
interface Brought extends Importer {
  readonly signals: ReadonlyMap<number, AbortSignal>;
  release(): void;
}

interface OpenStream {
  readonly iterator: AsyncIterator<unknown>;
  /** Undefined for pieces that were given to a call of the other side. */
  readonly served: ServedObject | undefined;
  readonly brought: Brought;
  readonly scope: Scope;
}

export function createIncoming(parts: IncomingParts): Incoming {
  return new IncomingCalls(parts);
}

class IncomingCalls implements Incoming {
  readonly #parts: IncomingParts;
  readonly #streams = new Map<number, OpenStream | { readonly thrown: unknown }>();
  /** By the number that the other side gave it. */
  readonly #signals = new Map<number, AbortController>();

  constructor(parts: IncomingParts) {
    this.#parts = parts;
  }

  receive(message: Message): void {
    switch (message.type) {
      case 'call':
      case 'set':
        return void this.#answer(message);
      case 'stream':
        return this.#begin(message);
      case 'next':
      case 'leave':
        return void this.#go(message);
      case 'abort':
        return this.#signals.get(message.signal)?.abort(decode(message.reason, this.#bring()));
      default:
        throw new Error(`no message ${message.type} is for here`);
    }
  }

  #bring(): Brought {
    const signals = new Map<number, AbortSignal>();
    return {
      signals,
      importFunction: this.#parts.functionOf,
      importPieces: this.#parts.piecesOf,
      importSignal: (id, reason) => {
        const controller = new AbortController();
        if (reason !== undefined) controller.abort(reason.value);
        this.#signals.set(id, controller);
        signals.set(id, controller.signal);
        return controller.signal;
      },
      release: () => {
        for (const id of signals.keys()) this.#signals.delete(id);
      },
    };
  }

  /** Where an object stays open, so does what its call brought. */
  async #answer(message: Extract<Message, { type: 'call' | 'set' }>): Promise<void> {
    const { post, exports } = this.#parts;
    const { id, target, name } = message;
    const brought = this.#bring();
    const scope = exports.scope();
    const served = exports.objectOf(target);
    let isKept = false;
    try {
      const member = served?.shape[name];
      if (message.type === 'set') {
        if (member !== 'setting') throw new Error(`no setting ${name} here`);
        (served!.value as Record<string, unknown>)[name] = decode(message.value, brought);
        return post({ type: 'answer', id, value: encode(undefined, scope), facts: this.#factsOf(served) });
      }
      const args = decode(message.args, brought) as unknown[];
      const value = await this.#functionOf({ target, name, served })(...args);
      if (typeof member === 'object' && 'opens' in member) {
        isKept = true;
        return post({ type: 'opened', id, opened: exports.open({ value: value as object, shape: member.opens() }) });
      }
      if (member === 'ends') exports.close(target);
      post({ type: 'answer', id, value: encode(value, scope), facts: member === 'ends' ? undefined : this.#factsOf(served) });
    } catch (error) {
      this.#fail(id, { error, brought, scope, served });
    } finally {
      if (!isKept) brought.release();
    }
  }

  #functionOf({ target, name, served }: { target: number; name: string; served: ServedObject | undefined }): AnyFunction {
    if (served === undefined) {
      const own = this.#parts.exports.functionOf(target);
      if (own === undefined)
        throw new Error(`${name || 'A function'} was called of what is not there any more: it was disposed of, or its call is over.`);
      return own;
    }
    const member = served.shape[name];
    if (member === undefined || member === 'value' || member === 'setting') throw new Error(`no function ${name} here`);
    return (...args) => (served.value as Record<string, AnyFunction>)[name]!(...args);
  }

  #begin({ id, target, name, args }: Extract<Message, { type: 'stream' }>): void {
    const brought = this.#bring();
    const scope = this.#parts.exports.scope();
    const served = this.#parts.exports.objectOf(target);
    try {
      const pieces = this.#functionOf({ target, name, served })(...(decode(args, brought) as unknown[])) as AsyncIterable<unknown>;
      this.#streams.set(id, { iterator: pieces[Symbol.asyncIterator](), served, brought, scope });
    } catch (thrown) {
      brought.release();
      this.#streams.set(id, { thrown });
    }
  }

  async #go({ type, id }: Extract<Message, { type: 'next' | 'leave' }>): Promise<void> {
    const { post } = this.#parts;
    const stream = this.#streams.get(id);
    if (stream === undefined) return post({ type: 'end', id, facts: undefined });
    if ('thrown' in stream) {
      this.#streams.delete(id);
      return this.#fail(id, { error: stream.thrown, brought: this.#bring(), scope: this.#parts.exports.scope(), served: undefined });
    }
    const { iterator, scope, served } = stream;
    try {
      const { done, value } = await (type === 'next' ? iterator.next() : (iterator.return?.() ?? { done: true, value: undefined }));
      if (done !== true) return post({ type: 'piece', id, value: encode(value, scope) });
      this.#end(id, stream);
      post({ type: 'end', id, facts: this.#factsOf(served) });
    } catch (error) {
      this.#end(id, stream);
      this.#fail(id, { error, ...stream });
    }
  }

  end(): void {
    for (const stream of this.#streams.values()) {
      if ('thrown' in stream) continue;
      stream.scope.release();
      void Promise.resolve(stream.iterator.return?.()).catch(() => {});
    }
    this.#streams.clear();
  }

  #end(id: number, { brought, scope }: OpenStream): void {
    this.#streams.delete(id);
    brought.release();
    scope.release();
  }

  #factsOf(served: ServedObject | undefined): Facts | undefined {
    return served && this.#parts.exports.factsOf(served);
  }

  #fail(
    id: number,
    { error, brought, scope, served }: { error: unknown; brought: Brought; scope: Scope; served: ServedObject | undefined },
  ): void {
    const abortedBy = [...brought.signals].find(([, signal]) => signal.aborted && signal.reason === error)?.[0];
    const failure: Failure = abortedBy === undefined ? { thrown: encodedThrown(error, scope) } : { abortedBy };
    this.#parts.post({ type: 'failed', id, failure, facts: this.#factsOf(served) });
  }
}

/** What is thrown may be anything: what no message carries is told in words. */
function encodedThrown(error: unknown, scope: Scope): Encoded {
  const isPlain = error === null || typeof error !== 'object' || error instanceof Error;
  return encode(isPlain ? error : new Error(String(error)), scope);
}
