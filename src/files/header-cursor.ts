import { FormatError } from '../tensor/errors.ts';
import type { ByteSource, ReadOptions } from '../tensor/byte-source.ts';

const firstChunkBytes = 64 * 1024;
const largestChunkBytes = 4 * 1024 * 1024;
/** Of the first read behind what was skipped: a header among data is short. */
const chunkBytesBehindSkip = 4 * 1024;

/**
 * Reads a file's header from front to back through a window that grows in steps, so that a header of any size
 * costs a few reads and the rest of the file none. Every length is checked against what the file still holds
 * before anything is allocated. `take*` calls are synchronous and need a `require` before them.
 */
export class HeaderCursor {
  /** The window over the file; bytes before `at` are consumed. */
  window = new Uint8Array(0);
  at = 0;
  private view = new DataView(this.window.buffer);
  private windowOffset = 0;
  private chunkBytes = firstChunkBytes;
  private readonly source: ByteSource;
  private readonly endOffset: number;
  private readonly options: ReadOptions | undefined;

  /** `maxHeaderBytes` bounds what a header may take, however large the file is. */
  constructor(source: ByteSource, maxHeaderBytes: number, options?: ReadOptions) {
    this.source = source;
    this.endOffset = Math.min(source.sizeBytes, maxHeaderBytes);
    this.options = options;
  }

  /** Offset in the file of the next byte. */
  get offset(): number {
    return this.windowOffset + this.at;
  }

  /** Bytes from the cursor to the end of what a header may take. */
  get remaining(): number {
    return this.endOffset - this.offset;
  }

  /** An error that names the file. */
  error(message: string): FormatError {
    return new FormatError(`${this.source.name}: ${message}`);
  }

  /** Throws unless `bytes` more can still follow; `what` names what they would be. */
  checkFits(bytes: number, what: string): void {
    if (bytes <= this.remaining) return;
    const { sizeBytes } = this.source;
    if (this.endOffset < sizeBytes) {
      throw this.error(
        `${what} at offset ${this.offset} needs ${bytes} bytes, but the header may take at most ${this.endOffset} in all. ` +
          'The file is damaged or is not a model.',
      );
    }
    throw this.error(
      `the file ends early. Expected ${bytes} bytes for ${what} at offset ${this.offset}, but the file ends at ${sizeBytes}. ` +
        'It is damaged or incomplete: copy or download it again.',
    );
  }

  /** Makes `bytes` bytes available to the `take` calls. */
  async require(bytes: number, what: string): Promise<void> {
    if (this.at + bytes <= this.window.length) return;
    this.checkFits(bytes, what);
    const rest = this.window.subarray(this.at);
    const offset = this.offset;
    const windowBytes = Math.min(Math.max(bytes, rest.length + this.chunkBytes), this.endOffset - offset);
    const window = new Uint8Array(windowBytes);
    window.set(rest);
    await this.source.read(offset + rest.length, window.subarray(rest.length), this.options);
    this.chunkBytes = Math.min(this.chunkBytes * 2, largestChunkBytes);
    this.window = window;
    this.view = new DataView(window.buffer);
    this.windowOffset = offset;
    this.at = 0;
  }

  /** Copies the next bytes into `target`, past the window when they are many. */
  async readInto(target: Uint8Array, what: string): Promise<void> {
    this.checkFits(target.length, what);
    const buffered = Math.min(target.length, this.window.length - this.at);
    target.set(this.window.subarray(this.at, this.at + buffered));
    this.at += buffered;
    if (buffered === target.length) return;
    await this.source.read(this.offset, target.subarray(buffered), this.options);
    this.windowOffset = this.offset + target.length - buffered;
    this.window = new Uint8Array(0);
    this.at = 0;
  }

  /** Goes on behind `bytes` bytes, which are not read unless the window holds them already. */
  skip(bytes: number, what: string): void {
    this.checkFits(bytes, what);
    if (this.at + bytes <= this.window.length) {
      this.at += bytes;
      return;
    }
    this.windowOffset = this.offset + bytes;
    this.window = new Uint8Array(0);
    this.at = 0;
    this.chunkBytes = chunkBytesBehindSkip;
  }

  takeBytes(count: number): Uint8Array {
    return this.window.subarray(this.at, (this.at += count));
  }
  takeU8(): number {
    return this.view.getUint8(this.advance(1));
  }
  takeI8(): number {
    return this.view.getInt8(this.advance(1));
  }
  takeU16(): number {
    return this.view.getUint16(this.advance(2), true);
  }
  takeI16(): number {
    return this.view.getInt16(this.advance(2), true);
  }
  takeU32(): number {
    return this.view.getUint32(this.advance(4), true);
  }
  takeI32(): number {
    return this.view.getInt32(this.advance(4), true);
  }
  takeF32(): number {
    return this.view.getFloat32(this.advance(4), true);
  }
  takeF64(): number {
    return this.view.getFloat64(this.advance(8), true);
  }
  takeI64(): number | bigint {
    return numberIfSafe(this.view.getBigInt64(this.advance(8), true));
  }
  takeU64(): number | bigint {
    return numberIfSafe(this.view.getBigUint64(this.advance(8), true));
  }

  /** A length, count or offset: beyond 2^53 no file can hold what it promises. */
  takeSize(what: string): number {
    const size = this.takeU64();
    if (typeof size === 'number') return size;
    throw this.error(`${what} at offset ${this.offset - 8} is ${size}, more than any file can hold. The file is damaged.`);
  }

  private advance(bytes: number): number {
    const at = this.at;
    this.at += bytes;
    return at;
  }
}

/** A number where that is exact. */
export function numberIfSafe(value: bigint): number | bigint {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
}
