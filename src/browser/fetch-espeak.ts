/** The npm package espeak-ng over HTTP, where a page says that it is. */
import { createEspeakPhonemizer, ESPEAK_PACKAGE, espeakOf } from '../engine/speech/espeak-phonemizer.ts';
import type { OpenEspeak } from '../engine/speech/espeak-phonemizer.ts';
import type { Phonemizer } from '../engine/speech/voice-model.ts';
import { CapacityError } from '../tensor/errors.ts';
import { fetchModule } from './fetch-module.ts';

export interface EspeakUrls {
  /** Of `dist/espeak-ng.js`. */
  readonly program: string;
  /** Of `dist/espeak-ng.wasm`. */
  readonly module: string;
}

const NEED = 'A text becomes phonemes by espeak-ng';
const REMEDY = `Serve the file of the npm package ${ESPEAK_PACKAGE}, and pass its URL.`;

/** Fetched with the first text. @throws CapacityError, from what it gives, where a URL does not give its file */
export function fetchPhonemizer(urls: EspeakUrls): Phonemizer {
  return createEspeakPhonemizer(() => openEspeak(urls));
}

async function openEspeak({ program, module }: EspeakUrls): Promise<OpenEspeak> {
  const bytes = await fetchModule(module, { need: NEED, remedy: REMEDY, signal: undefined });
  const made = await import(/* @vite-ignore */ /* webpackIgnore: true */ program).catch((cause: unknown) => {
    throw new CapacityError(`${NEED} at ${program}, which cannot be loaded. ${REMEDY}`, { cause });
  });
  return { run: espeakOf(made as { readonly default?: unknown }, program), module: await WebAssembly.compile(bytes) };
}

/** For whoever speaks phonemes alone. */
export const noPhonemizer: Phonemizer = async () => {
  throw new CapacityError(
    `A text becomes phonemes by espeak-ng, which is not a part of this package (its licence is GPL 3): pass the URLs of its npm package ` +
      `as espeak: { program, module }, or what makes phonemes as phonemizer, or speak { phonemes }.`,
  );
};
