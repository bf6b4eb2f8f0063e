/** Keys of kernels. */
import { describe, expect, it } from 'vitest';
import { kernelKey } from './kernel.ts';

describe('kernelKey', () => {
  it('does not depend on the order of names, nor on what is undefined', () => {
    const key = kernelKey('gemv', { rows: 2, shape: { out: 8, in: [4, null] }, none: undefined });
    expect(key).toBe('gemv {rows:2,shape:{in:[4,null],out:8}}');
    expect(kernelKey('gemv', { shape: { in: [4, null], out: 8 }, rows: 2 })).toBe('gemv {rows:2,shape:{in:[4,null],out:8}}');
  });

  it('takes no function: its text is not what it does', () => {
    expect(() => kernelKey('repack', { format: { encode: () => 0 } })).toThrow(TypeError);
  });
});
