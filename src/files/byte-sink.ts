/** Where bytes of a new file go, one after another: a file, memory, a browser's private file system. */

export interface ByteSink {
  /** A path or URL, for messages. */
  readonly name: string;
  /** Told the final size before the first write, so that a place too small can refuse at once. */
  reserve?(sizeBytes: number): Promise<void>;
  /** Takes all of `bytes`; the caller may reuse them once the promise is fulfilled. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the file. Only now does it exist under its name. */
  close(): Promise<void>;
  /** Throws away what was written. Safe after a failed write, and after close, where it does nothing. */
  abort(): Promise<void>;
}

export interface MemorySink extends ByteSink {
  /** All that was written, once closed. */
  bytes(): Uint8Array;
}

/** Keeps a small file in memory. */
export function memorySink(name: string): MemorySink {
  const chunks: Uint8Array[] = [];
  let closed = false;
  return {
    name,
    async write(bytes) {
      chunks.push(bytes.slice());
    },
    async close() {
      closed = true;
    },
    async abort() {
      if (!closed) chunks.length = 0;
    },
    bytes() {
      const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
      }
      return whole;
    },
  };
}
