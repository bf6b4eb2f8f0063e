import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { AdapterFacts } from '../gpu/device/adapter-facts.ts';
import { PROFILES } from '../gpu/profile/profiles.ts';
import { CapacityError, InputError } from '../tensor/errors.ts';
import { storedTuning, tuningStore, tuningUse } from './tuning-store.ts';

/** The system's answer to a rename, where it is none. */
const failing = vi.hoisted(() => ({ code: undefined as string | undefined }));
vi.mock(import('node:fs'), async (original) => {
  const fs = await original();
  return {
    ...fs,
    renameSync(from, to) {
      if (failing.code !== undefined) throw Object.assign(new Error(failing.code), { code: failing.code });
      fs.renameSync(from, to);
    },
  };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-tuning-'));
  vi.stubEnv('INGOT_HOME', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const FACTS = {
  vendor: 'nvidia', architecture: '', device: 'nvidia-h200', description: 'NVIDIA: 580.159.04', isSoftware: false,
} as AdapterFacts;
const { nvidia } = PROFILES;
const TUNING = {
  time: '2026-11-30T19:00:00.000Z', model: 'qwen3-0.6b', deviceMs: 900, isWhole: true,
  knobs: [{
    knob: 'gemvInt8.headRows', outcome: 'taken' as const, from: 8, to: 4,
    first: { before: 40, after: 30 }, again: { before: 41, after: 31 },
  }],
};

it('what is kept is read again by another process of the same adapter, driver and version, class by class', async () => {
  await tuningStore(FACTS, nvidia).keep('narrow', TUNING);
  await tuningStore(FACTS, nvidia).keep('wide', { ...TUNING, knobs: [] });
  expect(storedTuning(FACTS, nvidia, 'stored')?.of('narrow')).toEqual(TUNING);
  expect(storedTuning(FACTS, nvidia, 'stored')?.of('wide')?.knobs).toEqual([]);
  expect(storedTuning(FACTS, nvidia, 'stored')?.of('middle')).toBeUndefined();
  const others = [{ ...FACTS, description: 'NVIDIA: 590.0' }, { ...FACTS, device: 'nvidia-h100' }];
  for (const facts of others) expect(storedTuning(facts, nvidia, 'stored')?.of('narrow')).toBeUndefined();
  const [file, ...rest] = readdirSync(join(folder, 'tuning'));
  expect(rest).toEqual([]);
  expect(file).toMatch(/^nvidia-h200_nvidia-580\.159\.04_[\d.]+_nvidia\.json$/);
  const lines = readFileSync(join(folder, 'tuning', file!), 'utf8').split('\n');
  expect(lines.slice(1, 5).map((line) => line.trim())).toEqual([
    '"adapter": "nvidia-h200",', '"driver": "NVIDIA: 580.159.04",', expect.stringMatching(/^"version": "/), '"profile": "nvidia",',
  ]);
});

it('off obeys nothing and keeps nothing; only the background keeps, and not on a software adapter', async () => {
  await tuningStore(FACTS, nvidia).keep('narrow', TUNING);
  expect(storedTuning(FACTS, nvidia, 'off')).toBeUndefined();
  expect(storedTuning(FACTS, nvidia, 'stored')?.keep).toBeUndefined();
  expect(storedTuning(FACTS, nvidia, 'background')?.keep).toBeTypeOf('function');
  expect(storedTuning({ ...FACTS, isSoftware: true }, nvidia, 'background')?.keep).toBeUndefined();
});

it('a caller, then the environment, then the default says which', () => {
  expect([tuningUse(undefined, 'background', {}), tuningUse(undefined, 'stored', { INGOT_TUNING: 'off' })]).toEqual(['background', 'off']);
  expect(tuningUse('stored', 'background', { INGOT_TUNING: 'off' })).toBe('stored');
  expect(() => tuningUse(undefined, 'stored', { INGOT_TUNING: 'no' })).toThrow('INGOT_TUNING must be off, stored, background; it is "no".');
  expect(() => tuningUse('on')).toThrow('tuning must be off, stored, background; it is "on".');
});

it('a file that is damaged is not obeyed, is told to who asks, and is replaced by what is found next', async () => {
  const store = tuningStore(FACTS, nvidia);
  await store.keep('narrow', TUNING);
  writeFileSync(store.path, readFileSync(store.path, 'utf8').replace('"to": 4', '"to": 5'));
  expect(storedTuning(FACTS, nvidia, 'stored')?.of('narrow')).toBeUndefined();
  expect(() => store.read()).toThrow('gemvInt8.headRows is 5, not one of 4, 8, 16, 32. Remove the file');
  await store.keep('narrow', TUNING);
  expect(store.read()?.classes.narrow).toEqual(TUNING);
});

it('what two find of one class at a time is joined, as is what is written of another class while one waits', async () => {
  const store = tuningStore(FACTS, nvidia);
  const [headRows] = TUNING.knobs;
  const rows = { knob: 'gemvInt8.rows', outcome: 'kept' as const, from: 16, to: 16 };
  await store.keep('narrow', { ...TUNING, knobs: [rows] });
  await store.keep('narrow', { ...TUNING, isWhole: false });
  expect(store.read()?.classes.narrow).toEqual({ ...TUNING, knobs: [rows, headRows] });
  // Another process is at it: its lock, then its record.
  writeFileSync(`${store.path}.lock`, `${process.ppid} ${hostname()}`);
  const waiting = store.keep('wide', TUNING);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const record = store.read()!;
  writeFileSync(store.path, JSON.stringify({ ...record, classes: { ...record.classes, middle: TUNING } }));
  rmSync(`${store.path}.lock`);
  await waiting;
  expect(Object.keys(store.read()!.classes).toSorted()).toEqual(['middle', 'narrow', 'wide']);
  expect(readdirSync(dirname(store.path))).toHaveLength(1);
});

it('a file that cannot be written is an error with its path and what to do; the background says it once and goes on', async () => {
  writeFileSync(join(folder, 'file'), '');
  vi.stubEnv('INGOT_HOME', join(folder, 'file'));
  const store = tuningStore(FACTS, nvidia);
  const words = new RegExp(`^What tuning found is not kept. Cannot write ${folder}/file/tuning/nvidia.*INGOT_HOME names another folder`);
  await expect(store.keep('narrow', TUNING)).rejects.toThrow(InputError);
  await expect(store.keep('narrow', TUNING)).rejects.toThrow(words);
  expect(() => store.check()).toThrow(words);
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  for (let i = 0; i < 2; i++) await storedTuning(FACTS, nvidia, 'background')?.keep?.('narrow', TUNING);
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn).toHaveBeenCalledWith(expect.stringMatching(words), { type: 'IngotWarning', code: 'INGOT_TUNING' });
  warn.mockRestore();
});

it.each([
  ['ENOSPC', CapacityError, 'the disk is full'],
  ['EROFS', InputError, 'the file system is read-only'],
  ['EACCES', InputError, 'may not be written by this user'],
] as const)('%s leaves what was there, and nothing beside it', async (code, kind, words) => {
  const store = tuningStore(FACTS, nvidia);
  await store.keep('narrow', TUNING);
  failing.code = code;
  const keeping = store.keep('wide', TUNING);
  await expect(keeping).rejects.toThrow(kind);
  await expect(keeping).rejects.toThrow(words);
  failing.code = undefined;
  expect(store.read()?.classes).toEqual({ narrow: TUNING });
  expect(readdirSync(dirname(store.path))).toHaveLength(1);
});

it('what is no file, or has no end, is not read', async () => {
  const store = tuningStore(FACTS, nvidia);
  mkdirSync(store.path, { recursive: true });
  expect(() => store.read()).toThrow('is no record of tuning: it is no file. Remove it.');
  expect(storedTuning(FACTS, nvidia, 'stored')?.of('narrow')).toBeUndefined();
  rmSync(store.path, { recursive: true });
  writeFileSync(store.path, ' '.repeat(2 ** 20 + 1));
  expect(() => store.read()).toThrow('it has 1048577 bytes');
  await store.keep('narrow', TUNING);
  expect(store.read()?.classes).toEqual({ narrow: TUNING });
});
