import { describe, expect, test } from 'vitest';
import { checkMemory, memoryRequest } from '../../test/check-memory.ts';
import { createModelCore } from '../engine/model-core.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe('a memory that an encoder writes once', () => {
  test('on the reference', async () => {
    await checkMemory(createReferenceExecutor(), 1e-6);
  });

  test.each([1, 3])('on the CPU with %i thread(s)', async (threads) => {
    await checkMemory(await openExecutor({ device: 'cpu', threads }), 2e-5);
  });

  test('is refused by the engine, which would not know what it holds', async () => {
    const request = memoryRequest();
    const program = await createReferenceExecutor().load(request);
    const sizes = { vocabSize: 40, contextLength: 64, modelContextLength: 64, maxRows: 16, causal: true };
    expect(() => createModelCore({ ...sizes, program, kv: request.kv })).toThrow('its decoder attends to a memory');
    await program.dispose();
  });
});
