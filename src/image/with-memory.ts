/** What decoding takes of the machine's memory. */
import { CapacityError } from '../tensor/errors.ts';

/**
 * @param allocate only what asks for memory: a RangeError of a decoder that reads a damaged file is another matter
 * @throws CapacityError where there is none (WebAssembly's JavaScript interface and ECMAScript have a RangeError for that)
 */
export function withMemory<Allocated>(allocate: () => Allocated): Allocated {
  try {
    return allocate();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new CapacityError('This process has no memory left to decode an image in: free some, or try again later.', { cause });
  }
}
