/** What a client's name may bring: models of the hub, and nothing of this machine. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { serveHub } from '../../../test/hub-server.ts';
import type { TestHub } from '../../../test/hub-server.ts';
import { bundledModelPath } from '../../node/package-root.ts';
import { CapacityError, InputError } from '../../tensor/errors.ts';
import { readConfig } from './config.ts';
import { createDownloads } from './downloads.ts';
import { servedModels } from './served-models.ts';

describe('--allow-downloads', () => {
  const home = mkdtempSync(join(tmpdir(), 'ingot-downloads-'));
  let hub: TestHub;
  beforeAll(async () => {
    const file = readFileSync(bundledModelPath());
    hub = await serveHub({ 'o/ember': { 'ember-Q4_0.gguf': file }, 'o/second': { 'second-Q4_0.gguf': file } });
    vi.stubEnv('HF_HOME', home);
    vi.stubEnv('HF_ENDPOINT', hub.origin);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await hub.close();
    rmSync(home, { recursive: true });
  });
  const optionsOf = async (flags: object) => {
    const settings = { device: 'cpu', threads: 1, context: 256, ...flags };
    const config = readConfig({ file: undefined, environment: {}, flags: settings, models: [], defaultModel: bundledModelPath() });
    return (await servedModels(config, new AbortController().signal)).options;
  };

  it('is off unless it is said', async () => {
    expect((await optionsOf({})).downloads).toBe(undefined);
  });

  it('brings a model of the hub by its id, which answers then, and takes no path and no URL', async () => {
    const { downloads } = await optionsOf({ allowDownloads: true });
    const { signal } = new AbortController();
    const shares: number[] = [];
    const onProgress = ({ loaded, total }: { loaded: number; total: number }) => void shares.push(loaded / total);
    const { name, loader, alias } = await downloads!.download('hf:o/ember:Q4_0', { signal, onProgress });
    expect([name, loader.kind, alias, shares.at(-1)]).toEqual(['o/ember:Q4_0', 'text', undefined, 1]);
    // One file is one model, whatever it is asked for by.
    expect(await downloads!.download('o/ember', { signal, onProgress })).toMatchObject({ name: 'o/ember:Q4_0', alias: 'o/ember' });
    const model = await loader.load({ signal, spareMemory: () => Infinity });
    expect('generate' in model).toBe(true);
    await model.dispose();
    const before = hub.requests.length;
    for (const id of ['/etc/passwd', './models', `${hub.origin}/o/ember/ember-Q4_0.gguf`, 'file:///etc/passwd', bundledModelPath(), '..'])
      await expect(downloads!.download(id, { signal, onProgress }), id).rejects.toThrow(InputError);
    expect(hub.requests.length).toBe(before);
  });

  it('tells clients of ids in words without the owner\'s, and downloads nothing that has no room', async () => {
    const { downloads } = await optionsOf({ allowDownloads: true });
    const options = { signal: new AbortController().signal, onProgress: () => {} };
    const of = (id: string) => downloads!.download(id, options).catch((error: unknown) => error as Error);
    const absent = await of('o/absent');
    expect(absent).toBeInstanceOf(InputError);
    expect(String(absent)).not.toMatch(/HF_TOKEN|token|http/);
    expect(await of('o/ember:Q8_0')).toBeInstanceOf(InputError);
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    const offline = await of('o/other');
    vi.stubEnv('HF_HUB_OFFLINE', undefined);
    expect(offline).not.toBeInstanceOf(InputError);
    const small = createDownloads({ loaderOf: () => Promise.reject(new Error('asked')), mostBytes: 1000, known: new Map() });
    await expect(small.download('o/second:Q4_0', options)).rejects.toThrow(CapacityError);
    expect(hub.requests.some(({ path }) => path.includes('/second/resolve/'))).toBe(false);
  });
});
