/** Objects of the other side, with the members that their shape names. */
import { decode } from './encode.ts';
import type { Importer } from './encode.ts';
import type { Facts, Opened } from './messages.ts';
import type { Outgoing, Request } from './outgoing.ts';
import type { Member, Shape } from './shape.ts';

export interface RemoteSide {
  readonly outgoing: Outgoing;
  readonly importer: Importer;
}

/** One object of the other side, as this side knows it. */
interface Known {
  readonly target: number;
  readonly side: RemoteSide;
  readonly facts: Map<string, unknown>;
  /** Of the last setting. */
  setting: Promise<unknown> | undefined;
  /** Of its end. */
  end: Promise<unknown> | undefined;
}

export function createRemoteObject(opened: Opened, shape: Shape, side: RemoteSide): object {
  const known: Known = { target: opened.target, side, facts: new Map(), setting: undefined, end: undefined };
  keepFacts(known, opened.facts);
  const object = {};
  for (const [name, member] of Object.entries(shape)) {
    if (typeof member === 'object' && 'object' in member) {
      const value = createRemoteObject(opened.objects[name]!, member.object, side);
      Object.defineProperty(object, name, { value, enumerable: true });
    } else if (member === 'value' || member === 'setting')
      Object.defineProperty(object, name, { ...fact(known, name, member), enumerable: true });
    else Object.defineProperty(object, name, { value: method(known, name, member), enumerable: true });
  }
  const ending = Object.keys(shape).find((name) => shape[name] === 'ends');
  if (ending !== undefined) Object.defineProperty(object, Symbol.asyncDispose, { value: (object as Record<string, unknown>)[ending] });
  return object;
}

function keepFacts({ facts, side }: Known, found: Facts): void {
  for (const [name, value] of Object.entries(found)) facts.set(name, decode(value, side.importer));
}

/** What is set counts at once here; where the other side refuses it, the next call says so. */
function fact(known: Known, name: string, member: 'value' | 'setting'): PropertyDescriptor {
  const get = () => known.facts.get(name);
  if (member === 'value') return { get };
  return {
    get,
    set(value: unknown) {
      known.facts.set(name, value);
      known.setting = known.side.outgoing.set({ ...requestOf(known, name, [value]) });
      known.setting.catch(() => {});
    },
  };
}

function requestOf(known: Known, name: string, args: readonly unknown[]): Request {
  return { target: known.target, name, args, onFacts: (facts) => keepFacts(known, facts) };
}

async function settled(known: Known): Promise<void> {
  const { setting } = known;
  known.setting = undefined;
  await setting;
}

function method(known: Known, name: string, member: Exclude<Member, 'value' | 'setting'>): unknown {
  const { outgoing } = known.side;
  if (member === 'stream') return (...args: unknown[]) => afterwards(() => settled(known), outgoing.stream(requestOf(known, name, args)));
  if (member === 'call')
    return async (...args: unknown[]) => {
      if (known.setting !== undefined) await settled(known);
      return outgoing.call(requestOf(known, name, args));
    };
  if (member === 'ends') return () => (known.end ??= settled(known).then(() => outgoing.call(requestOf(known, name, []))));
  return async (...args: unknown[]) => {
    if (known.setting !== undefined) await settled(known);
    const shape = (member as { readonly opens: () => Shape }).opens();
    return createRemoteObject(await outgoing.open(requestOf(known, name, args)), shape, known.side);
  };
}

/** A stream that begins when what was set before is there. */
function afterwards(before: () => Promise<void>, stream: AsyncIterableIterator<unknown>): AsyncGenerator<unknown> {
  let waiting: Promise<void> | undefined;
  return {
    async next() {
      await (waiting ??= before());
      return stream.next();
    },
    return: (value) => stream.return!(value),
    async throw(error) {
      await stream.return!();
      throw error;
    },
    async [Symbol.asyncDispose]() {
      await stream.return!();
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
