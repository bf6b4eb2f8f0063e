/** What node-llama-cpp reads in the same files. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { openGguf } from './gguf-reader.ts';
import { directorySource } from '../node/file-source.ts';

/** What of the package is used here; its own types are there only where the peers are installed. */
interface LlamaPackage {
  readGgufFileInfo(path: string, options: { logWarnings: boolean }): Promise<{ metadata: unknown }>;
}

const peer = fileURLToPath(new URL('../../peers/node_modules/node-llama-cpp/dist/index.js', import.meta.url));

describe.each(['gemma-4', 'llama-bpe', 'qwen2', 'llama-spm'])("vocabulary '%s'", (vocabulary) => {
  const file = `${vocabulary}.gguf`;
  test.skipIf(!hasShared(`vocab/${file}`) || !existsSync(peer))('has the metadata that node-llama-cpp reads', async () => {
    const { readGgufFileInfo } = (await import(peer)) as LlamaPackage;
    const info = await readGgufFileInfo(`${sharedPath}/vocab/${file}`, { logWarnings: false });
    const checkpoint = await openGguf(directorySource(`${sharedPath}/vocab`), file);
    for (const [key, value] of checkpoint.metadata) {
      const theirs = key.split('.').reduce<unknown>((node, name) => (node as Record<string, unknown> | undefined)?.[name], info.metadata);
      expect(plain(value), key).toEqual(plain(theirs));
    }
    await checkpoint.close();
  });
});

/** Numbers of any kind as numbers, arrays of any kind as arrays. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array);
  return Array.isArray(value) ? value.map(plain) : value;
}
