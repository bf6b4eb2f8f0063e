/** A private file system of a browser, its room and its locks, in memory: what the cache of models asks of them, and no more. */

export interface FakeStorage {
  readonly root: FileSystemDirectoryHandle;
  /** For `navigator`. */
  readonly navigator: object;
  /** Bytes that the browser gives. */
  quota: number;
  usedBytes(): number;
  /** Locks that another tab holds. */
  readonly held: Set<string>;
}

class FakeFile {
  readonly kind = 'file';
  bytes = new Uint8Array();
  readonly #folder: Map<string, FakeFile | FakeFolder>;
  name: string;
  constructor(folder: Map<string, FakeFile | FakeFolder>, name: string) {
    this.#folder = folder;
    this.name = name;
  }
  async getFile(): Promise<File> {
    return new File([this.bytes], this.name);
  }
  async createWritable(): Promise<object> {
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
        const grown = new Uint8Array(Math.max(this.bytes.length, at + bytes.length));
        grown.set(this.bytes);
        grown.set(bytes, at);
        this.bytes = grown;
        return bytes.length;
      },
      truncate: (size: number) => void (this.bytes = this.bytes.slice(0, size)),
      getSize: () => this.bytes.length,
      close() {},
    };
  }
  async move(name: string): Promise<void> {
    this.#folder.delete(this.name);
    this.#folder.set(name, this);
    this.name = name;
  }
}

class FakeFolder {
  readonly kind = 'directory';
  readonly entries = new Map<string, FakeFile | FakeFolder>();
  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    return this.#entry(name, create, () => new FakeFile(this.entries, name)) as FakeFile;
  }
  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeFolder> {
    return this.#entry(name, create, () => new FakeFolder()) as FakeFolder;
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

/** Of this tab nobody waits: its locks are free. One that another holds is never given. */
function fakeLocks(held: ReadonlySet<string>): object {
  return {
    request(name: string, ...rest: readonly unknown[]) {
      const work = rest.at(-1) as (lock: object | null) => Promise<unknown>;
      if (!held.has(name)) return Promise.resolve(work({ name }));
      if ((rest[0] as { readonly ifAvailable?: boolean }).ifAvailable) return Promise.resolve(work(null));
      return new Promise(() => {});
    },
  };
}

export function fakeStorage(quota = 1e9): FakeStorage {
  const folder = new FakeFolder();
  const held = new Set<string>();
  const storage = {
    getDirectory: async () => folder,
    estimate: async () => ({ quota: fake.quota, usage: folder.usedBytes() }),
  };
  const fake: FakeStorage = {
    root: folder as unknown as FileSystemDirectoryHandle,
    navigator: { storage, locks: fakeLocks(held) },
    quota,
    usedBytes: () => folder.usedBytes(),
    held,
  };
  return fake;
}
