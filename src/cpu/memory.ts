/**
 * Where everything lies in the one memory that host and threads share, below the 4 GiB that WebAssembly addresses:
 * module constants | control | programs | step record | scratch | activations | f32 vectors | weights | KV pages, which grow.
 */
import { CapacityError } from '../tensor/errors.ts';

export const WASM_PAGE_BYTES = 65536;
/** The last page stays free, so that no address computed past an end wraps around. */
export const ADDRESS_LIMIT = 65535 * WASM_PAGE_BYTES;
const ALIGNMENT = 64;

export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Hands out addresses one after another; it never takes back. */
export interface Bump {
  take(sizeBytes: number): number;
  readonly end: number;
}

export function createBump(begin: number): Bump {
  let end = align(begin);
  return {
    take(sizeBytes) {
      const at = end;
      end += align(sizeBytes);
      return at;
    },
    get end() {
      return end;
    },
  };
}

export interface Budget {
  /** Bytes before the KV pages, weights included. */
  readonly fixedBytes: number;
  readonly weightBytes: number;
  readonly pageTokens: number;
  readonly maxPages: number;
  /** Bytes of all state of sequences, for so many pages of the longest. */
  readonly kvBytesOf: (maxPages: number) => number;
}

/** @throws CapacityError with the sizes, the limit and the largest context that fits. */
export function checkCapacity(budget: Budget): void {
  const { fixedBytes, weightBytes, pageTokens, maxPages, kvBytesOf } = budget;
  const kvBytes = kvBytesOf(maxPages);
  if (fixedBytes + kvBytes <= ADDRESS_LIMIT) return;
  const fits = mostThatFit(maxPages, (pages) => fixedBytes + kvBytesOf(pages) <= ADDRESS_LIMIT) * pageTokens;
  const sizes = `weights ${megabytes(weightBytes)}, KV cache for ${maxPages * pageTokens} tokens ${megabytes(kvBytes)}, ` +
    `work memory ${megabytes(fixedBytes - weightBytes)}`;
  const advice = fits >= pageTokens
    ? `The largest context that fits is ${fits} tokens: ask for that or less.`
    : 'No context fits: use a smaller model or a smaller quantisation.';
  throw new CapacityError(
    `The model needs ${megabytes(fixedBytes + kvBytes)} on the CPU (${sizes}), and WebAssembly addresses ${megabytes(ADDRESS_LIMIT)}. ` +
      `${advice}`,
    { availableBytes: ADDRESS_LIMIT },
  );
}

/** The largest number from 0 to `limit` that fits, where all smaller ones do; 0 where none does. */
function mostThatFit(limit: number, fits: (count: number) => boolean): number {
  let [most, beyond] = [0, limit + 1];
  while (beyond - most > 1) {
    const middle = Math.floor((most + beyond) / 2);
    if (fits(middle)) most = middle;
    else beyond = middle;
  }
  return most;
}

/** Makes [0, end) addressable. @throws CapacityError where the system does not give the memory. */
export function growTo(memory: WebAssembly.Memory, end: number): void {
  const missing = end - memory.buffer.byteLength;
  if (missing <= 0) return;
  try {
    memory.grow(Math.ceil(missing / WASM_PAGE_BYTES));
  } catch (cause) {
    throw new CapacityError(
      `The system gave no more memory: ${megabytes(memory.buffer.byteLength)} are in use and ${megabytes(missing)} more were asked for. ` +
        'Close other programs, or use a smaller context or model.',
      { cause },
    );
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en-US')} MB`;
}
