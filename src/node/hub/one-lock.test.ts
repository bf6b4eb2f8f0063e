/** That a blob of the hub is linked while its lock is held, so that nobody removes it in between. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { serveHub, sha256 } from '../../../test/hub-server.ts';
import { parseModelId } from '../../files/hub/model-id.ts';
import { blobLock } from './file-blob-place.ts';
import { modelOfHub } from './pull.ts';

const links = vi.hoisted(() => [] as { readonly blobPath: string; readonly isLocked: boolean }[]);

vi.mock('./cache-layout.ts', async (original) => {
  const layout = await original<typeof import('./cache-layout.ts')>();
  return {
    ...layout,
    linkFile(path: string, blobPath: string) {
      links.push({ blobPath, isLocked: existsSync(blobLock(blobPath)) });
      return layout.linkFile(path, blobPath);
    },
  };
});

test('the lock of a blob is free once its name leads to it', async () => {
  const bytes = new Uint8Array(5000).fill(3);
  const hub = await serveHub({ 'o/one': { 'one-Q4_0.gguf': bytes } });
  const home = mkdtempSync(join(tmpdir(), 'ingot-lock-'));
  try {
    const environment = { HF_HOME: home, HF_ENDPOINT: `${hub.origin}/` };
    await modelOfHub(parseModelId('o/one')!, { environment, roomBytes: 1e12 });
    const blobPath = join(home, 'hub', 'models--o--one', 'blobs', sha256(bytes));
    expect(links).toEqual([{ blobPath, isLocked: true }]);
    expect(existsSync(blobLock(blobPath))).toBe(false);
  } finally {
    await hub.close();
    rmSync(home, { recursive: true, force: true });
  }
});
