/**
 * Set up before the GPU tests. Dawn's binding for Node asks over and over, by `setImmediate`, whether what it waits for is done. That
 * keeps a core busy which SwiftShader could compile and compute on, so here it asks once in a millisecond: 4/10 less processor time.
 */
const { setImmediate: immediately } = globalThis;

const isNative = (callback: unknown): boolean =>
  typeof callback === 'function' && Function.prototype.toString.call(callback).includes('[native code]');

globalThis.setImmediate = Object.assign(
  ((callback: (...args: unknown[]) => void, ...args: unknown[]) =>
    isNative(callback) ? setTimeout(callback, 1, ...args) : immediately(callback, ...args)) as unknown as typeof setImmediate,
  immediately,
);
