import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repoRoot } from './repository.ts';

const hasCli = existsSync(join(repoRoot, 'src', 'cli', 'main.ts'));

/** The script behind `npm start`; npm's own banner is the outer npm's business (`npm start --silent` leaves it out). */
function start(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(repoRoot, 'scripts', 'start.mjs'), ...args], { encoding: 'utf8', input: '' });
}

describe.skipIf(!hasCli)('npm start', () => {
  it('passes arguments on and leaves stdout to the CLI', () => {
    const { version } = JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')) as { version: string };
    const { status, stdout } = start('--version');
    expect(status).toBe(0);
    expect(stdout.trim()).toBe(version);
  });

  it('ends with the exit code of the CLI', () => {
    const { status, stderr } = start('inspect', join(repoRoot, 'no-such-model.gguf'));
    expect(status).toBeGreaterThan(0);
    expect(stderr).toContain('no-such-model.gguf');
  });
});
