/** Two ends of a channel of messages, as a page and its worker are. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { standardResult, jsonSchemaOf } from '../../engine/standard-schema.ts';
import type { StandardSchema } from '../../engine/standard-schema.ts';
import { CapacityError, FormatError, InputError } from '../../tensor/errors.ts';
import { createPeer } from './peer.ts';
import type { PeerPort } from './peer.ts';
import type { Remote, ShapeOf } from './shape.ts';

interface Counter {
  value: number;
  add(by: number): number;
  dispose(): void;
}

interface Options {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: { readonly loaded: number }) => void) | undefined;
}

interface Service {
  readonly shared: { readonly size: number; double(value: number): number };
  open(start: number): Counter;
  fail(kind: string): Promise<never>;
  echo(value: unknown): unknown;
  apply(run: (value: number, context: Options) => unknown, options?: Options): Promise<unknown>;
  pieces(count: number, options?: Options): AsyncIterableIterator<number>;
  json(schema: StandardSchema, value: unknown): Promise<unknown>;
  sum(numbers: { readonly each: AsyncIterable<number> } | (() => AsyncIterable<number>), most?: number): Promise<number>;
}

const COUNTER = { value: 'setting', add: 'call', dispose: 'ends' } as const satisfies ShapeOf<Counter>;
const SHARED = { size: 'value', double: 'call' } as const satisfies ShapeOf<Service['shared']>;
const SHAPE = {
  shared: { object: SHARED },
  open: { opens: () => COUNTER },
  fail: 'call',
  echo: 'call',
  apply: 'call',
  pieces: 'stream',
  json: 'call',
  sum: 'call',
} as const satisfies ShapeOf<Service>;

const ERRORS: Readonly<Record<string, () => unknown>> = {
  format: () => new FormatError('damaged'),
  input: () => new InputError('no'),
  capacity: () =>
    new CapacityError('full', {
      availableBytes: 7,
      lost: 'worker',
      shortage: { contextLength: 1, modelContextLength: 2, promptTokens: 3, maxTokens: undefined },
    }),
  platform: () => new DOMException('gone', 'NotFoundError'),
  text: () => 'a text',
};

/** What is left of a stream says how it ended. */
const left: string[] = [];

const service: Service = {
  shared: { size: 3, double: (value) => 2 * value },
  open(start) {
    if (start < 0) throw new InputError('below zero');
    let now = start;
    return {
      get value() {
        return now;
      },
      set value(to) {
        if (to < 0) throw new InputError('set below zero');
        now = to;
      },
      add: (by) => (now += by),
      dispose() {},
    };
  },
  fail: (kind) => Promise.reject(ERRORS[kind]!()),
  echo: (value) => value,
  async apply(run, { signal = new AbortController().signal, onProgress } = {}) {
    onProgress?.({ loaded: 1 });
    return run(5, { signal });
  },
  async *pieces(count, { signal } = {}) {
    try {
      for (let i = 0; i < count; i++) {
        await new Promise((resolve) => setTimeout(resolve));
        signal?.throwIfAborted();
        yield i;
      }
      left.push('to the end');
    } finally {
      left.push('over');
    }
  },
  async json(schema, value) {
    return [jsonSchemaOf(schema, 'it'), await standardResult(schema, value, 'it')];
  },
  async sum(numbers, most = Infinity) {
    let [sum, count] = [0, 0];
    for await (const each of typeof numbers === 'function' ? await numbers() : numbers.each) {
      sum += each;
      if (++count === most) break;
    }
    return sum;
  },
};

describe('two threads', () => {
  let close = () => {};
  afterEach(() => close());

  interface Sides {
    readonly root: Remote<Service, typeof SHAPE>;
    end(error: Error): void;
  }

  /** The root itself has no data; what it opens has. */
  async function sides(): Promise<Sides> {
    const { port1, port2 } = new MessageChannel();
    const root = { open: () => service };
    createPeer(port2 as unknown as PeerPort, { value: root, shape: { open: { opens: () => SHAPE } } });
    const peer = createPeer(port1 as unknown as PeerPort);
    close = () => port1.close();
    const opened = await peer
      .root<{ open(): Service }, { readonly open: { readonly opens: () => typeof SHAPE } }>({ open: { opens: () => SHAPE } })
      .open();
    return { root: opened, end: peer.end };
  }

  it('give values, data of members, and objects that stay where they are', async () => {
    const { root } = await sides();
    const value = { a: [1, new Uint8Array([2]), { b: undefined, c: null }], m: new Map([[1, 'x']]), s: new Set([1]) };
    expect(await root.echo(value)).toEqual(value);
    expect([root.shared.size, await root.shared.double(4)]).toEqual([3, 8]);
    const counter = await root.open(10);
    expect(counter.value).toBe(10);
    expect(await counter.add(5)).toBe(15);
    expect(counter.value).toBe(15);
    counter.value = 40;
    expect(counter.value).toBe(40);
    expect(await counter.add(1)).toBe(41);
    await counter.dispose();
    await counter.dispose();
    await expect(counter.add(1)).rejects.toThrow(/not there any more/);
  });

  it('say a refused setting by the next call, and go on', async () => {
    const { root } = await sides();
    const counter = await root.open(1);
    counter.value = -1;
    await expect(counter.add(1)).rejects.toThrow(new InputError('set below zero'));
    expect([await counter.add(1), counter.value]).toEqual([2, 2]);
  });

  it('keep the class and the fields of errors', async () => {
    const { root } = await sides();
    const errorOf = (kind: string) =>
      root.fail(kind).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await errorOf('format')).toBeInstanceOf(FormatError);
    expect(await errorOf('input')).toEqual(new InputError('no'));
    const capacity = (await errorOf('capacity')) as CapacityError;
    expect(capacity).toBeInstanceOf(CapacityError);
    expect(capacity).toMatchObject({ message: 'full', availableBytes: 7, lost: 'worker', shortage: { promptTokens: 3 } });
    expect(capacity.stack).toContain('peer.test');
    expect(await errorOf('platform')).toMatchObject({ name: 'NotFoundError', message: 'gone' });
    expect(await errorOf('text')).toBe('a text');
    await expect(root.open(-1)).rejects.toThrow(new InputError('below zero'));
    expect(await root.echo({ error: new InputError('in a value') })).toEqual({ error: new InputError('in a value') });
  });

  it('run functions that are given along, with their own signals', async () => {
    const { root } = await sides();
    const heard: number[] = [];
    const controller = new AbortController();
    const run = async (value: number, { signal }: Options) => {
      controller.abort('stop');
      await new Promise((resolve) => signal!.addEventListener('abort', resolve));
      return [value, signal!.reason];
    };
    const options = { signal: controller.signal, onProgress: ({ loaded }: { loaded: number }) => void heard.push(loaded) };
    expect(await root.apply(run, options)).toEqual([5, 'stop']);
    expect(heard).toEqual([1]);
    await expect(root.apply(() => Promise.reject(new FormatError('there')))).rejects.toBeInstanceOf(FormatError);
  });

  it('give pieces as they are asked for, and end with the loop', async () => {
    const { root } = await sides();
    left.length = 0;
    const all: number[] = [];
    for await (const piece of root.pieces(3)) all.push(piece);
    expect([all, left]).toEqual([
      [0, 1, 2],
      ['to the end', 'over'],
    ]);
    left.length = 0;
    for await (const piece of root.pieces(1000)) if (piece === 1) break;
    expect(left).toEqual(['over']);
    const unread = root.pieces(3);
    expect(await unread.return!()).toEqual({ done: true, value: undefined });
    expect(await unread.next()).toEqual({ done: true, value: undefined });
  });

  it('read pieces that are given along, as they come, and let them go', async () => {
    const { root, end } = await sides();
    const given = async function* (most = 3) {
      try {
        for (let i = 1; i <= most; i++) yield i;
      } finally {
        left.push('let go');
      }
    };
    left.length = 0;
    expect(await root.sum({ each: given() })).toBe(6);
    expect(await root.sum(() => given())).toBe(6);
    expect(await root.sum({ each: given(Infinity) }, 5)).toBe(15);
    expect(left).toEqual(['let go', 'let go', 'let go']);
    const failing = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new FormatError('no sound')) }) };
    await expect(root.sum({ each: failing as AsyncIterable<number> })).rejects.toThrow(new FormatError('no sound'));
    const lost = root.sum({ each: given(Infinity) });
    await new Promise((resolve) => setTimeout(resolve, 20));
    end(new CapacityError('gone'));
    await expect(lost).rejects.toThrow('gone');
    await vi.waitFor(() => expect(left.length).toBe(4));
  });

  it("reject with the very reason of a caller's signal", async () => {
    const { root } = await sides();
    const controller = new AbortController();
    const reason = new RangeError('mine');
    const pieces = root.pieces(1000, { signal: controller.signal });
    expect((await pieces.next()).value).toBe(0);
    controller.abort(reason);
    const found = await pieces.next().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(found).toBe(reason);
    const early = await root
      .pieces(5, { signal: controller.signal })
      .next()
      .catch((error: unknown) => error);
    expect(early).toBe(reason);
  });

  it("carry a library's schema", async () => {
    const { root } = await sides();
    const schema = z.object({ a: z.number().transform((value) => value + 1) });
    expect(await root.json(schema, { a: 1 })).toEqual([
      expect.objectContaining({ type: 'object', properties: { a: { type: 'number' } } }),
      { value: { a: 2 } },
    ]);
  });

  it('refuse what no message carries, in words', async () => {
    const { root } = await sides();
    await expect(root.echo(new WeakMap())).rejects.toThrow(/echo was given what cannot go to the engine's worker/);
    expect(await root.echo(1)).toBe(1);
  });

  it('reject all that waits, and all that is asked later, when the other is gone', async () => {
    const { root, end } = await sides();
    const pieces = root.pieces(10);
    await pieces.next();
    const waiting = [root.apply(() => new Promise(() => {})), pieces.next()];
    end(new CapacityError('gone'));
    for (const each of waiting) await expect(each).rejects.toThrow(new CapacityError('gone'));
    await expect(root.echo(1)).rejects.toThrow(new CapacityError('gone'));
    await expect(root.pieces(1).next()).rejects.toThrow(new CapacityError('gone'));
  });
});
