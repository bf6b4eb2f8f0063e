/**
 * Set up before all tests. Left to itself vitest waits one second for what `vi.waitFor`, `vi.waitUntil` and `expect.poll` are told (the
 * last by vitest.config.ts): on a machine that stands still for three, that fails. Whoever waits does so for what is sure to come, so
 * that only a fault takes the whole time.
 */
import { vi } from 'vitest';

/** Less than a test has, so that what was waited for is told. */
const PATIENCE_MS = 50_000;
const { waitFor, waitUntil } = vi;

type Options = Parameters<typeof waitFor>[1];
const patient = (options: Options) =>
  typeof options === 'number' ? options : { ...options, timeout: options?.timeout ?? PATIENCE_MS };

vi.waitFor = (callback, options) => waitFor(callback, patient(options));
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options));
