import { describe, expect, test } from 'vitest';
import { memoryCheckpoint } from '../../test/memory-checkpoint.ts';
import { checkStoredWays, storedWays, woven } from '../../test/stored-ways.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { openExecutor } from '../node/load-model.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';

describe('fused matrices, experts, gains less 1 and paired heads give the logits of plain tensors', () => {
  const types = ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_k', 'q6_k'] as const;
  test.each(types)('on the reference, %s', { tags: 'slow' }, (type) => checkStoredWays(createReferenceExecutor(), type));
  test.each(types)('on the CPU, %s', async (type) => checkStoredWays(await openExecutor({ device: 'cpu', threads: 2 }), type));
});

test('weights are read to where they stay, but for rows in another order and gains less 1', async () => {
  const { folder, gguf } = storedWays('q4_0');
  const executor = await openExecutor({ device: 'cpu', threads: 1 });
  for (const [stored, elsewhere] of [[folder, /norm$/], [gguf, /attn_[qk]$/]] as const) {
    const moved = new Set<string>();
    let read = 0;
    const checkpoint = memoryCheckpoint(stored);
    const tensors = new Map([...checkpoint.tensors].map(([name, entry]) => [name, {
      ...entry,
      async read(byteOffset: number, into: Uint8Array) {
        read += into.length;
        if (!(into.buffer instanceof SharedArrayBuffer)) moved.add(name);
        await entry.read(byteOffset, into);
      },
    }]));
    const { model, weights } = await openDecoder({ ...checkpoint, tensors }, { architectures: [woven] });
    expect(read).toBe(0);
    const program = await executor.load({ model, weights, kv: { type: 'f32', pageTokens: 8, maxPages: 4 }, sizes: { rows: 16 } });
    await program.dispose();
    expect([...moved].filter((name) => !elsewhere.test(name))).toEqual([]);
    // Every byte of the file once.
    expect(read).toBe(checkpoint.sizeBytes);
  }
});
