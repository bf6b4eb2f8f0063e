/** A private file system of a browser, its room and its locks, in memory: what the cache of models asks of them, and no more. */

export interface FakeStorage {
  readonly root: FileSystemDirectoryHandle;
  /** For `navigator`. */
  readonly navigator: object;
  /** Bytes that the browser gives. */
  quota: number;
  /** Of a writing in place so many bytes are taken; of none: it fails for want of room. */
  mostInPlace: number;
  /** A file of the root, and how often one that wrote it in place closed it. */
  file(name: string): { readonly text: string; readonly closed: number };
  usedBytes(): number;
  /** Locks that another tab holds. */
  readonly held: Set<string>;
}

/** What the browser does for all of its files. */
interface Rules {
  /** As older Safari does, no file is written but in place. */
  readonly writesInPlace: boolean;
  mostInPlace: number;
}

class FakeFile {
  readonly kind = 'file';
  bytes = new Uint8Array();
  closed = 0;
  readonly #folder: FakeFolder;
  name: string;
  constructor(folder: FakeFolder, name: string) {
    this.#folder = folder;
    this.name = name;
    if (!folder.rules.writesInPlace) Object.assign(this, { createWritable: async () => this.#writable() });
  }
  async getFile(): Promise<File> {
    return new File([this.bytes], this.name);
  }
  #writable(): object {
    return { write: async (text: string) => void (this.bytes = new TextEncoder().encode(text)), close: async () => {} };
  }
  async createSyncAccessHandle(): Promise<object> {
    return {
      read: (into: Uint8Array, { at }: { readonly at: number }) => {
        const found = this.bytes.subarray(at, at + into.length);
        into.set(found);
        return found.length;
      },
      write: (bytes: Uint8Array, { at }: { readonly at: number }) => {
        const { mostInPlace } = this.#folder.rules;
        if (mostInPlace === 0) throw new DOMException('full', 'QuotaExceededError');
        const taken = bytes.subarray(0, mostInPlace);
        const grown = new Uint8Array(Math.max(this.bytes.length, at + taken.length));
        grown.set(this.bytes);
        grown.set(taken, at);
        this.bytes = grown;
        return taken.length;
      },
      truncate: (size: number) => void (this.bytes = this.bytes.slice(0, size)),
      getSize: () => this.bytes.length,
      close: () => void this.closed++,
    };
  }
  async move(name: string): Promise<void> {
    this.#folder.entries.delete(this.name);
    this.#folder.entries.set(name, this);
    this.name = name;
  }
}

class FakeFolder {
  readonly kind = 'directory';
  readonly entries = new Map<string, FakeFile | FakeFolder>();
  readonly rules: Rules;
  constructor(rules: Rules) {
    this.rules = rules;
  }
  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    return this.#entry(name, create, () => new FakeFile(this, name)) as FakeFile;
  }
  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeFolder> {
    return this.#entry(name, create, () => new FakeFolder(this.rules)) as FakeFolder;
  }
  #entry(name: string, create: boolean, make: () => FakeFile | FakeFolder): FakeFile | FakeFolder {
    const found = this.entries.get(name);
    if (found !== undefined) return found;
    if (!create) throw new DOMException(`${name} is not there`, 'NotFoundError');
    const made = make();
    this.entries.set(name, made);
    return made;
  }
  async removeEntry(name: string): Promise<void> {
    if (!this.entries.delete(name)) throw new DOMException(`${name} is not there`, 'NotFoundError');
  }
  async *keys(): AsyncGenerator<string> {
    yield* this.entries.keys();
  }
  usedBytes(): number {
    return [...this.entries.values()].reduce((sum, entry) => sum + (entry instanceof FakeFile ? entry.bytes.length : entry.usedBytes()), 0);
  }
}

interface LockRequest {
  readonly mode?: 'shared' | 'exclusive';
  readonly ifAvailable?: boolean;
  readonly signal?: AbortSignal;
}

/** Who holds a lock or waits for it, in order. */
interface Holder {
  readonly isShared: boolean;
  readonly over: Promise<unknown>;
}

/**
 * Each is given to one after another, also where it is asked for twice by the same; those that share it have it side by side. One that
 * another tab holds is never given.
 */
function fakeLocks(held: ReadonlySet<string>): object {
  const holders = new Map<string, Set<Holder>>();
  return {
    request(name: string, ...rest: readonly unknown[]) {
      const work = rest.at(-1) as (lock: object | null) => Promise<unknown>;
      const { mode, ifAvailable, signal } = (rest.length > 1 ? rest[0] : {}) as LockRequest;
      const isShared = mode === 'shared';
      const all = holders.get(name) ?? new Set();
      const inTheWay = [...all].filter((one) => !isShared || !one.isShared);
      if (ifAvailable && (held.has(name) || inTheWay.length > 0)) return Promise.resolve(work(null));
      if (signal?.aborted) return Promise.reject(signal.reason as Error);
      const before = held.has(name) ? new Promise<never>(() => {}) : Promise.all(inTheWay.map(({ over }) => over));
      const aborted = new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));
      const done = Promise.race([before, aborted]).then(() => work({ name }));
      const holder: Holder = { isShared, over: done.catch(() => {}).then(() => all.delete(holder)) };
      holders.set(name, all.add(holder));
      return done;
    },
  };
}

export function fakeStorage({ writesInPlace = false } = {}): FakeStorage {
  const rules: Rules = { writesInPlace, mostInPlace: Infinity };
  const folder = new FakeFolder(rules);
  const held = new Set<string>();
  const storage = {
    getDirectory: async () => folder,
    estimate: async () => ({ quota: fake.quota, usage: folder.usedBytes() }),
  };
  const fake: FakeStorage = {
    root: folder as unknown as FileSystemDirectoryHandle,
    navigator: { storage, locks: fakeLocks(held) },
    quota: 1e9,
    get mostInPlace() {
      return rules.mostInPlace;
    },
    set mostInPlace(bytes) {
      rules.mostInPlace = bytes;
    },
    file(name) {
      const { bytes, closed } = folder.entries.get(name) as FakeFile;
      return { text: new TextDecoder().decode(bytes), closed };
    },
    usedBytes: () => folder.usedBytes(),
    held,
  };
  return fake;
}
