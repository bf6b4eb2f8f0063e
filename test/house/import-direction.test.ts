import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isCheckout, repoRoot, trackedFiles } from './repository.ts';

/** [file, its text, the rule that must reject it] */
const forbidden: readonly (readonly [string, string, string])[] = [
  ['src/tensor/bad.ts', "import { a } from '../graph/a.ts';", 'no-restricted-imports'],
  ['src/tensor/codec/bad.ts', "import type { a } from '../../engine/a.ts';", 'no-restricted-imports'],
  ['src/graph/bad.ts', "import { a } from '../models/a.ts';", 'no-restricted-imports'],
  ['src/models/bad.ts', "import { a } from '../cpu/a.ts';", 'no-restricted-imports'],
  ['src/models/bad-files.ts', "import { a } from '../files/a.ts';", 'no-restricted-imports'],
  ['src/files/bad.ts', "import { a } from '../graph/a.ts';", 'no-restricted-imports'],
  ['src/text/bad.ts', "import { a } from '../files/a.ts';", 'no-restricted-imports'],
  ['src/audio/bad.ts', "import { a } from '../files/a.ts';", 'no-restricted-imports'],
  ['src/audio/bad-node.ts', "import { inflateSync } from 'node:zlib';", 'no-restricted-imports'],
  ['src/image/bad.ts', "import { a } from '../audio/a.ts';", 'no-restricted-imports'],
  ['src/models/bad-image.ts', "import { a } from '../image/a.ts';", 'no-restricted-imports'],
  ['src/text/bad-audio.ts', "import { a } from '../audio/a.ts';", 'no-restricted-imports'],
  ['src/gpu/bad-audio.ts', "import { a } from '../audio/a.ts';", 'no-restricted-imports'],
  ['src/cpu/bad.ts', "import { a } from '../models/a.ts';", 'no-restricted-imports'],
  ['src/reference/bad.ts', "import { a } from '../cpu/a.ts';", 'no-restricted-imports'],
  ['src/engine/bad.ts', "import { a } from '../cpu/a.ts';", 'no-restricted-imports'],
  ['src/engine/bad-export.ts', "export { a } from '../node/a.ts';", 'no-restricted-imports'],
  ['src/engine/bad-self.ts', "export { a } from 'ingot';", 'no-restricted-imports'],
  ['src/node/bad.ts', "import { a } from '../cli/a.ts';", 'no-restricted-imports'],
  ['src/node/bad-evaluation.ts', "import { a } from '../evaluation/a.ts';", 'no-restricted-imports'],
  ['src/engine/bad-evaluation.ts', "import { a } from '../evaluation/a.ts';", 'no-restricted-imports'],
  ['src/evaluation/bad.ts', "import { a } from '../cli/a.ts';", 'no-restricted-imports'],
  ['src/evaluation/bad-device.ts', "import { a } from '../gpu/a.ts';", 'no-restricted-imports'],
  ['src/evaluation/bad-loading.ts', "import { loadModel } from '../node/load-model.ts';", 'no-restricted-imports'],
  ['src/server/bad.ts', "import { a } from '../cli/a.ts';", 'no-restricted-imports'],
  ['src/server/bad-loading.ts', "import { a } from '../node/a.ts';", 'no-restricted-imports'],
  ['src/server/bad-node.ts', "import { createServer } from 'node:http';", 'no-restricted-imports'],
  ['src/server/bad-listening.ts', "import { serve } from '@hono/node-server';", 'no-restricted-imports'],
  ['src/server/bad-process.ts', 'export const a = process.argv;', 'no-restricted-globals'],
  ['src/engine/bad-server.ts', "import { a } from '../server/a.ts';", 'no-restricted-imports'],
  ['src/bench/bad.ts', "import { a } from '../cli/a.ts';", 'no-restricted-imports'],
  ['src/core.ts', "export { a } from './node/a.ts';", 'no-restricted-imports'],
  ['src/core-evaluation.ts', "export { a } from './evaluation/a.ts';", 'no-restricted-imports'],
  ['src/files/bad-node.ts', "import { readFileSync } from 'node:fs';", 'no-restricted-imports'],
  // By its bare name a module of Node is refused anywhere, with the prefix in these folders.
  ['src/cpu/bad-node.ts', "import { Worker } from 'worker_threads';", 'prefer-node-protocol'],
  ['src/cpu/bad-prefixed.ts', "import { Worker } from 'node:worker_threads';", 'no-restricted-imports'],
  ['src/engine/bad-process.ts', 'export const a = process.argv;', 'no-restricted-globals'],
  ['src/text/bad-buffer.ts', 'export const a = Buffer.alloc(1);', 'no-restricted-globals'],
  ['app/state/bad.ts', "import { a } from '../../src/engine/a.ts';", 'no-restricted-imports'],
  ['app/views/bad.tsx', "import { a } from '../transport/create-server-transport.ts';", 'no-restricted-imports'],
  ['src/engine/bad-length.ts', `export function a() {${'\n'.repeat(60)}}`, 'max-lines-per-function'],
  ['app/views/bad-database.ts', "import { a } from '../state/database.ts';", 'no-restricted-imports'],
];

const allowed: readonly (readonly [string, string])[] = [
  ['src/graph/good.ts', "import { a } from '../tensor/a.ts'; export const b = a;"],
  ['src/tensor/codec/good.ts', "import { a } from '../half.ts'; export const b = a;"],
  ['src/audio/good.ts', "import { a } from '../tensor/a.ts'; export const b = a;"],
  ['src/image/good.ts', "import { a } from '../tensor/a.ts'; export const b = a;"],
  ['src/engine/good-audio.ts', "import { a } from '../audio/a.ts'; export const b = a;"],
  ['src/engine/good.ts', "import { a } from '../models/a.ts'; export const b = a;"],
  ['src/cpu/good.ts', "import { a } from '../graph/a.ts'; export const b = a;"],
  ['src/node/good.ts', "import { a } from '../cpu/a.ts'; import { join } from 'node:path'; export const b = join(a, process.cwd());"],
  ['src/evaluation/good.ts', "import { a } from '../engine/a.ts'; import { join } from 'node:path'; export const b = join(a, 'x');"],
  ['src/server/good.ts', "import { Hono } from 'hono'; import { a } from '../engine/a.ts'; export const b = [a, Hono];"],
  ['app/views/good.ts', "import { a } from '../state/a.ts'; import type { B } from '../transport/transport.ts'; export const b: B = a;"],
  ['src/cli/good.ts', "import { a } from '../evaluation/a.ts'; export const b = a;"],
  ['src/engine/good.test.ts', "import { a } from '../node/a.ts'; import { join } from 'node:path'; export const b = join(a, 'x');"],
];

interface LintReport {
  diagnostics: { code: string; filename: string }[];
}

describe('the import direction of docs/ARCHITECTURE.md', () => {
  let folder: string;
  const rejectedBy = new Map<string, string[]>();

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ingot-lint-'));
    cpSync(join(repoRoot, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
    for (const [path, text] of [...forbidden, ...allowed]) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), `${text}\n`);
    }
    const report = JSON.parse(lint(folder)) as LintReport;
    for (const { filename, code } of report.diagnostics) {
      const path = filename.replaceAll('\\', '/');
      rejectedBy.set(path, [...(rejectedBy.get(path) ?? []), code]);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(forbidden)('rejects %s: %s', (path, _text, rule) => {
    expect(rejectedBy.get(path)?.some((code) => code.includes(rule))).toBe(true);
  });

  it.each(allowed)('lets %s through', (path) => {
    expect((rejectedBy.get(path) ?? []).filter((code) => code.includes('restricted'))).toEqual([]);
  });
});

describe.skipIf(!isCheckout)('what the lint rule does not see', () => {
  it('no dynamic import of a Node module outside node/, evaluation/, cli/ and bench/', () => {
    const ofCore = /^src\/(?!node\/|evaluation\/|cli\/|bench\/).*(?<!\.test)\.ts$/;
    const core = trackedFiles().filter((path) => ofCore.test(path));
    const offenders = core.filter((path) => /\b(?:import|require)\s*\(\s*['"`]node:/.test(readFileSync(join(repoRoot, path), 'utf8')));
    expect(offenders).toEqual([]);
  });
});

/** oxlint's JSON report; it exits with 1 when it finds something, which is what we are here for. */
function lint(folder: string): string {
  const oxlint = join(repoRoot, 'node_modules', 'oxlint', 'bin', 'oxlint');
  try {
    return execFileSync(process.execPath, [oxlint, '--format=json', 'src', 'app'], { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}
