import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { serveHub } from '../../test/hub-server.ts';
import { voiceMemoryNeeds } from './load-voice-model.ts';
import { modelLoader } from './model-loader.ts';
import { bundledModelPath } from './package-root.ts';

test('what a model of the hub takes is told behind its download, which is told of; from then on the cache has it', async () => {
  const home = mkdtempSync(join(tmpdir(), 'ingot-loader-'));
  const hub = await serveHub({ 'ingot/ember': { 'ember-Q4_0.gguf': readFileSync(bundledModelPath()) } });
  vi.stubEnv('HF_HOME', home);
  vi.stubEnv('HF_ENDPOINT', hub.origin);
  try {
    const phases: string[] = [];
    const onProgress = ({ phase }: { readonly phase: string }) => void phases.push(phase);
    expect(await voiceMemoryNeeds('ingot/ember', { onProgress })).toBeUndefined();
    expect(new Set(phases)).toEqual(new Set(['download']));
    phases.length = hub.requests.length = 0;
    const { bytes } = await modelLoader('ingot/ember', { device: 'reference', onProgress }).memoryNeeds();
    expect(bytes).toBeGreaterThan(10e6);
    expect([phases, hub.requests]).toEqual([[], []]);
  } finally {
    vi.unstubAllEnvs();
    await hub.close();
    rmSync(home, { recursive: true, force: true });
  }
});
