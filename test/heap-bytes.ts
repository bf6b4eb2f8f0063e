/** What a process holds, for tests that nothing is left. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of the heap and of buffers beside it, after everything that nobody holds has gone. */
export function heldBytes(): { readonly heap: number; readonly external: number } {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed, external };
}
