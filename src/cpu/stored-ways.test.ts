import { describe, test } from 'vitest';
import { checkStoredWays } from '../../test/stored-ways.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe('fused matrices, experts, gains less 1 and paired heads give the logits of plain tensors', () => {
  const types = ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const;
  test.each(types)('on the reference, %s', (type) => checkStoredWays(createReferenceExecutor(), type));
  test.each(types)('on the CPU, %s', async (type) => checkStoredWays(await openExecutor({ device: 'cpu', threads: 2 }), type));
});
