import { describe, expect, it } from 'vitest';
import { CapacityError } from '../tensor/errors.ts';
import { fittingAdvice, withFittingAdvice } from './fitting-type.ts';

/** A 4B in q8_0, whose conversations of 8,192 tokens take 1.2 GB. */
const model = { parameters: 4e9, weightBytes: 4.25e9, otherBytes: 1.2e9, contextLength: 8192 };

describe('what would fit', () => {
  it.each([
    [6e9, ''],
    [4.6e9, ' The largest quantisation of it that fits beside a conversation of 8192 tokens is q6_k.'],
    [3.5e9, ' The largest quantisation of it that fits beside a conversation of 8192 tokens is q4_0.'],
    [2e9, ' No quantisation of it fits beside a conversation of 8192 tokens: take a smaller model, or a smaller context.'],
    [0, ' No quantisation of it fits beside a conversation of 8192 tokens: take a smaller model, or a smaller context.'],
  ])('in %d bytes', (bytes, expected) => expect(fittingAdvice(model, bytes)).toBe(expected));
});

describe('a load that a device refuses', () => {
  const refuse = (error: Error) => withFittingAdvice(() => model, () => Promise.reject(error));

  it('says it, with room for the program itself', async () => {
    const error = await refuse(new CapacityError('Full.', { availableBytes: 4e9 })).catch((found: unknown) => found as CapacityError);
    expect(error).toBeInstanceOf(CapacityError);
    expect(error).toMatchObject({
      message: 'Full. The largest quantisation of it that fits beside a conversation of 8192 tokens is q4_0.', availableBytes: 4e9,
    });
  });

  it('says nothing where nobody knows how much there is, and of other errors', async () => {
    await expect(refuse(new CapacityError('Full.'))).rejects.toThrow(/^Full\.$/);
    await expect(refuse(new RangeError('x'))).rejects.toThrow(RangeError);
  });
});
