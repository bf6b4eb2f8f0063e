/** Calls of this side to the other. */
import { InputError } from '../../tensor/errors.ts';
import { decode, encode } from './encode.ts';
import type { Importer } from './encode.ts';
import type { Exports, Scope } from './exports.ts';
import type { Encoded, Facts, Failure, Message, Opened } from './messages.ts';

export interface Request {
  readonly target: number;
  readonly name: string;
  readonly args: readonly unknown[];
  /** Called with the data of the object that was called, each time it comes. */
  readonly onFacts?: ((facts: Facts) => void) | undefined;
}

export interface Outgoing {
  call(request: Request): Promise<unknown>;
  /** An object that stays there. What was given to the call lives as long as `until`. */
  open(request: Request): Promise<Opened>;
  set(request: Request): Promise<unknown>;
  stream(request: Request): AsyncIterableIterator<unknown>;
  /** Whether the message was one for here. */
  receive(message: Message): boolean;
  /** All that waits, and all that is asked from now on, rejects. */
  end(error: Error): void;
}

interface Waiting {
  readonly scope: Scope;
  readonly onFacts: Request['onFacts'];
  /** Of a stream the pieces keep its scope. */
  readonly isStream: boolean;
  readonly isOpening: boolean;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

const END = Symbol('the end of a stream');

export interface OutgoingParts {
  readonly post: (message: Message) => void;
  readonly exports: Exports;
  readonly importer: Importer;
}

export function createOutgoing(parts: OutgoingParts): Outgoing {
  return new OutgoingCalls(parts);
}

class OutgoingCalls implements Outgoing {
  readonly #parts: OutgoingParts;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #ended: Error | undefined;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
  }

  call(request: Request): Promise<unknown> {
    return this.#send(request, 'call');
  }

  open(request: Request): Promise<Opened> {
    return this.#send(request, 'call', { isOpening: true }) as Promise<Opened>;
  }

  set(request: Request): Promise<unknown> {
    return this.#send(request, 'set');
  }

  async #send(request: Request, type: 'call' | 'set', { isOpening = false } = {}): Promise<unknown> {
    if (this.#ended !== undefined) throw this.#ended;
    const scope = this.#parts.exports.scope();
    const id = ++this.#last;
    const { target, name, onFacts } = request;
    const answer = this.#answerOf(id, { scope, onFacts, isStream: false, isOpening });
    try {
      if (type === 'call') this.#post({ type, id, target, name, args: encode(request.args, scope) });
      else this.#post({ type, id, target, name, value: encode(request.args[0], scope) });
    } catch (error) {
      this.#waiting.delete(id);
      scope.release();
      throw unsendable(error, name);
    }
    return answer;
  }

  #answerOf(id: number, rest: Omit<Waiting, 'resolve' | 'reject'>): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { ...rest, resolve, reject }));
  }

  stream(request: Request): AsyncIterableIterator<unknown> {
    const { exports } = this.#parts;
    let state: { readonly id: number; readonly scope: Scope } | 'new' | 'over' = 'new';
    const close = () => {
      if (typeof state === 'object') state.scope.release();
      state = 'over';
    };
    const start = () => {
      if (this.#ended !== undefined) throw this.#ended;
      const { target, name } = request;
      const begun = { id: ++this.#last, scope: exports.scope() };
      state = begun;
      try {
        this.#post({ type: 'stream', id: begun.id, target, name, args: encode(request.args, begun.scope) });
      } catch (error) {
        throw unsendable(error, name);
      }
      return begun;
    };
    const ask = async (type: 'next' | 'leave'): Promise<IteratorResult<unknown>> => {
      try {
        const { id, scope } = state === 'new' ? start() : (state as { readonly id: number; readonly scope: Scope });
        if (this.#ended !== undefined) throw this.#ended;
        const answer = this.#answerOf(id, { scope, onFacts: request.onFacts, isStream: true, isOpening: false });
        this.#post({ type, id });
        const value = await answer;
        if (value !== END) return { value, done: false };
        close();
        return { value: undefined, done: true };
      } catch (error) {
        close();
        throw error;
      }
    };
    // One piece after another, as of a generator.
    let turn: Promise<unknown> = Promise.resolve();
    const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
      const mine = turn.then(work, work);
      turn = mine.catch(() => {});
      return mine;
    };
    const over = { value: undefined, done: true } as const;
    return {
      next: () => inTurn(async () => (state === 'over' ? over : ask('next'))),
      return: (value?: unknown) =>
        inTurn(async () => {
          if (typeof state === 'object') await ask('leave');
          state = 'over';
          return { value: await value, done: true };
        }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  receive(message: Message): boolean {
    if (!('id' in message)) return false;
    const waiting = this.#waiting.get(message.id);
    switch (message.type) {
      case 'answer':
      case 'opened':
      case 'piece':
      case 'end':
      case 'failed':
        break;
      default:
        return false;
    }
    if (waiting === undefined) return true;
    this.#waiting.delete(message.id);
    if ('facts' in message && message.facts !== undefined) waiting.onFacts?.(message.facts);
    const isOver = message.type === 'failed' || (!waiting.isStream && !waiting.isOpening);
    this.#settle(waiting, message);
    if (isOver) waiting.scope.release();
    return true;
  }

  #settle(
    { scope, resolve, reject }: Waiting,
    message: Extract<Message, { type: 'answer' | 'opened' | 'piece' | 'end' | 'failed' }>,
  ): void {
    if (message.type === 'failed') reject(this.#errorOf(message.failure, scope));
    else if (message.type === 'opened') resolve(message.opened);
    else if (message.type === 'end') resolve(END);
    else resolve(this.#decode(message.value));
  }

  #errorOf(failure: Failure, scope: Scope): unknown {
    return 'abortedBy' in failure ? scope.signalOf(failure.abortedBy)?.reason : this.#decode(failure.thrown);
  }

  #decode(value: Encoded): unknown {
    return decode(value, this.#parts.importer);
  }

  #post(message: Message): void {
    this.#parts.post(message);
  }

  end(error: Error): void {
    this.#ended ??= error;
    for (const { reject, scope } of this.#waiting.values()) {
      scope.release();
      reject(this.#ended);
    }
    this.#waiting.clear();
  }
}

function unsendable(error: unknown, name: string): unknown {
  if (!(error instanceof DOMException) || error.name !== 'DataCloneError') return error;
  return new InputError(`${name} was given what cannot go to the engine's worker: ${error.message}`, { cause: error });
}
