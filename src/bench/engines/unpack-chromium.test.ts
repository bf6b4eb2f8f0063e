import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { openBrowser } from './browser-host.ts';

const CHROMIUM = `import { existsSync, writeFileSync } from 'node:fs';
export default { async executablePath() {
  const path = process.env.TMPDIR + '/chromium';
  if (existsSync(path)) return path;
  writeFileSync(path, 'half');
  await globalThis.whenHalf();
  writeFileSync(path, 'whole');
  return path;
} };`;
const PLAYWRIGHT = `import { readFileSync } from 'node:fs';
export const chromium = { async launch({ executablePath: path }) { throw new Error(path + ' is ' + readFileSync(path)); } };`;

it('a browser that is unpacked by half is in no place where another process looks for it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'ingot-unpack-'));
  const put = (name: string, text: string) => {
    mkdirSync(dirname(join(home, 'node_modules', name)), { recursive: true });
    writeFileSync(join(home, 'node_modules', name), text);
  };
  for (const name of ['@sparticuz/chromium', 'playwright-core']) put(`${name}/package.json`, JSON.stringify({ type: 'module' }));
  put('@sparticuz/chromium/build/esm/index.js', CHROMIUM);
  put('playwright-core/index.mjs', PLAYWRIGHT);
  const program = join(home, 'chromium');
  const seen: boolean[] = [];
  vi.stubEnv('TMPDIR', home);
  vi.stubGlobal('whenHalf', async () => void seen.push(existsSync(program), existsSync(join(home, 'ingot-chromium.lock'))));
  try {
    const own = { module: '', packages: home, modelPath: home };
    const start = { ...own, program: undefined, weightsPath: undefined, isIsolated: false, isGpu: false };
    for (const _ of [1, 2]) await expect(openBrowser(start)).rejects.toThrow(`${program} is whole`);
    expect(seen).toEqual([false, true]);
  } finally {
    vi.unstubAllEnvs();
    vi.unstubAllGlobals();
    rmSync(home, { recursive: true });
  }
});
