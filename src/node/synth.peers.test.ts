import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hasLlamaPeer, loadInLlama } from '../../test/llama-peer.ts';
import { synthFile } from './synth.ts';

test.skipIf(!hasLlamaPeer)('a synthetic file loads in llama.cpp, tokenizes any text and gives tokens', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ingot-synth-'));
  const path = join(folder, 'synth.gguf');
  try {
    await synthFile(path, { model: 'qwen3-0.6b', type: 'q4_0' });
    const peer = await loadInLlama(path, 256);
    const text = 'Hello there, a fox called Ash.\n\t日本語 \u{1f600} \u0001';
    const ids = peer.model.tokenize(text, false);
    expect(peer.model.detokenize(ids)).toBe(text);
    expect(peer.model.tokenize('<|im_start|><|im_end|>', true)).toEqual([151_644, 151_645]);
    const found = await peer.greedy(ids, 12);
    expect(found.length).toBe(12);
    // Activations that exploded or vanished would give one token for ever.
    expect(new Set(found).size).toBeGreaterThan(2);
    await peer.dispose();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 240_000);
