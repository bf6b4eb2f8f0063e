import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';

const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;

test.skipIf(!existsSync(main))('ingot plan reckons at the context that is asked for, and takes how it is used', () => {
  const args = [main, 'plan', '--device', 'cpu', '--context', '64', '--comparing', '--json'];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 });
  expect(stderr).toBe('');
  const { contextLength, speeds, advice } = JSON.parse(stdout) as {
    readonly contextLength: number;
    readonly speeds: readonly { readonly positions: number }[];
    readonly advice: readonly { readonly because: string }[];
  };
  expect([contextLength, speeds.map(({ positions }) => positions)]).toEqual([64, [64]]);
  expect(advice.map(({ because }) => because).join()).toMatch(/long comparisons of engines/);
});
