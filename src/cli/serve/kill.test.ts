import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { killAtMoments } from '../../../test/kill-server.ts';

const main = new URL('../../../dist/cli/main.js', import.meta.url).pathname;
/** A hundred were run once (docs/server.md): `INGOT_KILLS=100 npx vitest run --project core src/cli/serve/kill.test.ts`. */
const MOMENTS = Number(process.env['INGOT_KILLS'] ?? 6);

it.skipIf(!existsSync(main))(
  'a server that is killed at random moments loses no answer\'s entry, no response, no file and no request of a batch, and runs none twice',
  { tags: ['slow'], timeout: 30_000 + 20_000 * MOMENTS },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ingot-kill-'));
    const report = await killAtMoments({ main, database: join(folder, 'serve.db'), moments: MOMENTS, batchSize: 12 });
    rmSync(folder, { recursive: true });
    if (process.env['INGOT_KILLS'] !== undefined) process.stdout.write(`${JSON.stringify(report)}\n`);
    expect(report.faults).toEqual([]);
    expect(report.killed.starting + report.killed.answering).toBe(MOMENTS);
    expect(report.acknowledged.requests).toBeGreaterThan(MOMENTS);
    expect(report.acknowledged.batches).toBeGreaterThan(0);
  },
);
