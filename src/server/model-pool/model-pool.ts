/**
 * The models of a server: loaded when a request needs them, freed when they are idle or another one needs their memory. A request holds
 * its model from when it begins until it is over; a model is freed only while nobody holds it.
 */
import type { CancelSignal } from '../../tensor/platform.ts';
import { CapacityError, InputError } from '../../tensor/errors.ts';
import type { ModelKind, ModelLoader, ServedModel } from '../api.ts';
import { Failure, Stopped } from '../failure.ts';
import { createChanges, createTurns } from './changes.ts';
import { createMemoryRoom } from './memory-room.ts';
import { createEntry, grantWaiters, kindOf, memoryOf, refuseWaiters } from './model-entry.ts';
import type { ModelEntry, ModelStatus } from './model-entry.ts';
import { waitForModel } from './wait-for-model.ts';

export interface ModelPoolOptions {
  readonly entries: readonly ModelEntry[];
  /** Other names, and whose they are. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Bytes of weights and states of all models together; Infinity: as many as the device gives. */
  readonly memoryBytes: number;
  /** Most milliseconds that a request waits for its model. */
  readonly waitMs: number;
  /** Milliseconds that a model which is added stays after its last user; undefined: for good. */
  readonly idleMs: number | undefined;
}

export interface HoldOptions {
  readonly signal: CancelSignal;
  /** Most milliseconds to wait. Default: the pool's. */
  readonly waitMs?: number | undefined;
  /** How long the model is to stay after its last user, from now on. Default: as it was. */
  readonly idleMs?: number | undefined;
}

export interface HeldModel {
  /** Its own, where it was asked for by an alias. */
  readonly name: string;
  readonly model: ServedModel;
  /** Idempotent. */
  release(): void;
}

/** A model as it is now. */
export interface ModelState {
  readonly name: string;
  readonly kind: ModelKind;
  readonly aliases: readonly string[];
  readonly status: ModelStatus;
  readonly isPinned: boolean;
  /** While it is loaded. */
  readonly model: ServedModel | undefined;
  /** Bytes of weights and states, also before it is loaded; 0 while it is not. */
  readonly memoryBytes: number;
  readonly users: number;
  readonly waiting: number;
  /** When it goes unless it is used, in milliseconds since 1970; undefined: not by itself. */
  readonly idleUntil: number | undefined;
}

export interface ModelRoom {
  readonly bytes: number;
  readonly fits: boolean;
}

export interface ModelPool {
  /** Models without aliases, in the order in which they were given. */
  readonly names: readonly string[];
  /** Bytes of all models together; Infinity: as many as the device gives. */
  readonly memoryBytes: number;
  /** Has a model among them from now on; one of this name, or with such an alias, that is there already stays. @returns the name */
  add(name: string, loader: ModelLoader): string;
  /** Another name for a model that was added; a model keeps a few of them, later ones are not taken. */
  addAlias(alias: string, name: string): void;
  /** Those that are loaded, by name. */
  readonly loaded: ReadonlyMap<string, ServedModel>;
  /** By name or alias. @throws Failure (404) that names those there are */
  describe(id: string): ModelState;
  /**
   * Bytes that a model has, or needs, and whether it fits once all that may go have gone; undefined where nobody knows. Of one that was
   * never loaded it reads the headers, once.
   */
  roomOf(id: string): Promise<ModelRoom | undefined>;
  /**
   * Waits until the model is loaded, and keeps it so.
   * @throws Failure: 404 for a name that there is not, 503 where it is not loaded in time, does not fit or cannot be loaded; the signal's
   * reason
   */
  hold(id: string, options: HoldOptions): Promise<HeldModel>;
  /** Frees a model when its requests are over; those that come meanwhile wait, and have it loaded again. @throws Failure (404, 409) */
  unload(id: string, signal: CancelSignal): Promise<void>;
  /** Frees all models that were loaded here. Idempotent. */
  close(): Promise<void>;
}

const MOST_TIMER_MS = 2 ** 31 - 1;
/** Ids of one file are endless: of those that clients ask for so many are kept. */
const MOST_ALIASES = 16;

class Pool implements ModelPool {
  readonly #entries: Map<string, ModelEntry>;
  /** The same, as the room sees them. */
  readonly #list: ModelEntry[];
  readonly #options: ModelPoolOptions;
  readonly #aliases: Map<string, string>;
  readonly #changes = createChanges();
  readonly #inTurn = createTurns();
  readonly #room: ReturnType<typeof createMemoryRoom>;
  #clock = 0;
  #isClosed = false;

  constructor(options: ModelPoolOptions) {
    this.#options = options;
    this.#aliases = new Map(options.aliases);
    this.#entries = new Map(options.entries.map((entry) => [entry.name, entry]));
    this.#list = [...options.entries];
    this.#room = createMemoryRoom({
      entries: this.#list, budget: options.memoryBytes, changes: this.#changes, free: (entry) => this.#free(entry),
    });
  }

  get names() {
    return [...this.#entries.keys()];
  }

  get memoryBytes() {
    return this.#options.memoryBytes;
  }

  add(name: string, loader: ModelLoader): string {
    const own = this.#aliases.get(name) ?? name;
    if (this.#entries.has(own)) return own;
    const entry = createEntry({ name, of: loader, isPinned: false, idleMs: this.#options.idleMs });
    this.#entries.set(name, entry);
    this.#list.push(entry);
    return name;
  }

  addAlias(alias: string, name: string): void {
    const isKnown = this.#entries.has(alias) || this.#aliases.has(alias);
    if (!isKnown && [...this.#aliases.values()].filter((of) => of === name).length < MOST_ALIASES) this.#aliases.set(alias, name);
  }

  get loaded() {
    const models = [...this.#entries].flatMap(([name, { model }]) => (model === undefined ? [] : [[name, model] as const]));
    return new Map(models);
  }

  describe(id: string): ModelState {
    const entry = this.#known(id);
    const { name, kind, status, isPinned, model, users, waiters, idleUntil } = entry;
    const aliases = [...this.#aliases].flatMap(([alias, of]) => (of === name ? [alias] : []));
    return { name, kind, aliases, status, isPinned, model, users, waiting: waiters.size, memoryBytes: memoryOf(entry), idleUntil };
  }

  async roomOf(id: string): Promise<ModelRoom | undefined> {
    const entry = this.#known(id);
    if (entry.status === 'loaded') return { bytes: memoryOf(entry), fits: true };
    // A list downloads nothing; files that cannot be read are told by a load, and are not read for each list.
    if (entry.needs === undefined && entry.loader?.isHere?.() === true) {
      const { signal } = new AbortController();
      entry.needs = await (entry.needsByHeaders ??= entry.loader.memoryNeeds?.({ signal }).catch(() => undefined));
    }
    return entry.needs && { bytes: entry.needs.bytes, fits: this.#room.hasRoom(entry, entry.needs) };
  }

  async hold(id: string, { signal, waitMs, idleMs }: HoldOptions): Promise<HeldModel> {
    const entry = this.#known(id);
    if (this.#isClosed) throw new Stopped('drain');
    signal.throwIfAborted();
    entry.lastUse = ++this.#clock;
    if (idleMs !== undefined) entry.idleMs = idleMs;
    const model = await this.#granted(entry, signal, waitMs ?? this.#options.waitMs);
    this.#stay(entry);
    let isHeld = true;
    const release = () => {
      if (!isHeld) return;
      isHeld = false;
      entry.users--;
      entry.lastUse = ++this.#clock;
      this.#goWhenIdle(entry);
      this.#changes.tell();
    };
    return { name: entry.name, model, release };
  }

  async unload(id: string, signal: CancelSignal): Promise<void> {
    const entry = this.#known(id);
    if (entry.isPinned)
      throw new Failure(`The model ${entry.name} stays loaded: it is pinned, or was given loaded.`, {
        status: 409, code: 'model_pinned', param: 'model',
      });
    const by = {};
    entry.wantedBy.add(by);
    try {
      while (entry.status !== 'unloaded') {
        if (entry.status === 'loaded' && entry.users === 0) return await this.#free(entry);
        await this.#changes.next(signal);
      }
    } finally {
      entry.wantedBy.delete(by);
      grantWaiters(entry);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const entry of this.#entries.values()) {
      refuseWaiters(entry, new Stopped('drain'));
      entry.loading?.abort(new Stopped('drain'));
    }
    const never = new AbortController().signal;
    for (const entry of this.#entries.values()) {
      if (entry.loader === undefined) continue;
      while (entry.status === 'loading' || entry.status === 'unloading') await this.#changes.next(never);
      if (entry.status === 'loaded') await this.#free(entry);
    }
  }

  #known(id: string): ModelEntry {
    const entry = this.#entries.get(this.#aliases.get(id) ?? id);
    if (entry !== undefined) return entry;
    const there = [...this.names, ...this.#aliases.keys()].join(', ');
    throw new Failure(`There is no model of this name here. There is ${there}.`, {
      status: 404, code: 'model_not_found', param: 'model',
    });
  }

  async #granted(entry: ModelEntry, signal: CancelSignal, waitMs: number): Promise<ServedModel> {
    if (entry.status === 'loaded' && entry.model !== undefined && entry.wantedBy.size === 0) {
      entry.users++;
      return entry.model;
    }
    const granted = waitForModel(entry, { signal, waitMs });
    if (entry.status === 'unloaded') void this.#load(entry);
    return granted;
  }

  /** Never rejects: those who wait are told. */
  async #load(entry: ModelEntry): Promise<void> {
    const controller = new AbortController();
    entry.status = 'loading';
    entry.loading = controller;
    entry.isKept = false;
    try {
      entry.model = await this.#loadWithin(entry, controller.signal);
      entry.status = 'loaded';
    } catch (error) {
      entry.status = 'unloaded';
      entry.reserved = 0;
      // Who came after all others had left waits for a load of its own.
      if (!controller.signal.aborted) refuseWaiters(entry, loadFailure(entry, error));
    }
    entry.loading = undefined;
    grantWaiters(entry);
    this.#goWhenIdle(entry);
    this.#changes.tell();
    this.#loadAgain(entry);
  }

  async #loadWithin(entry: ModelEntry, signal: CancelSignal): Promise<ServedModel> {
    const { loader } = entry;
    if (loader === undefined) throw new Error(`pool: ${entry.name} has no loader`);
    entry.needs = await loader.memoryNeeds?.({ signal });
    await this.#inTurn(signal, () => this.#room.make(entry, entry.needs, signal));
    for (;;) {
      try {
        const model = await loader.load({ signal, spareMemory: () => this.#room.spareFor(entry) });
        if (!signal.aborted && kindOf(model) === entry.kind) return model;
        await model.dispose();
        signal.throwIfAborted();
        throw new InputError(`The loader of ${entry.name} says kind ${entry.kind}, and loaded a model of ${kindOf(model)}.`);
      } catch (error) {
        // A device that does not say how much memory it has says so only now.
        const isShort = error instanceof CapacityError && !signal.aborted;
        if (!isShort || !(await this.#inTurn(signal, () => this.#room.freeOldest()))) throw error;
      }
    }
  }

  async #free(entry: ModelEntry): Promise<void> {
    const { model } = entry;
    this.#stay(entry);
    entry.status = 'unloading';
    entry.model = undefined;
    try {
      await model?.dispose();
    } finally {
      entry.status = 'unloaded';
      entry.reserved = 0;
      this.#changes.tell();
      this.#loadAgain(entry);
    }
  }

  #loadAgain(entry: ModelEntry): void {
    if (entry.status === 'unloaded' && entry.waiters.size > 0 && !this.#isClosed) void this.#load(entry);
  }

  #stay(entry: ModelEntry): void {
    clearTimeout(entry.idleTimer);
    entry.idleTimer = undefined;
    entry.idleUntil = undefined;
  }

  #goWhenIdle(entry: ModelEntry): void {
    const { idleMs, status, isPinned, users } = entry;
    if (idleMs === undefined || idleMs === Infinity || status !== 'loaded' || isPinned || users > 0 || this.#isClosed) return;
    this.#stay(entry);
    const ms = Math.min(idleMs, MOST_TIMER_MS);
    entry.idleUntil = Date.now() + ms;
    entry.idleTimer = setTimeout(() => {
      if (entry.status === 'loaded' && entry.users === 0) this.#free(entry).catch(() => {});
    }, ms);
    // It keeps no process alive.
    (entry.idleTimer as { unref?: () => void }).unref?.();
  }
}

/** What is told of a load that failed: no more than that, since errors name files. */
function loadFailure({ name }: ModelEntry, error: unknown): unknown {
  if (error instanceof Failure || error instanceof Stopped) return error;
  return new Failure(`The model ${name} could not be loaded. The server's log says why; the next request tries again.`, {
    status: 503, code: 'model_load_failed', param: 'model', headers: { 'x-should-retry': 'false' }, cause: error,
  });
}

export function createModelPool(options: ModelPoolOptions): ModelPool {
  return new Pool(options);
}
