/** espeak-ng in Node: where its package lies. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createEspeakPhonemizer, ESPEAK_PACKAGE, espeakOf, runEspeak } from '../engine/speech/espeak-phonemizer.ts';
import type { OpenEspeak } from '../engine/speech/espeak-phonemizer.ts';
import type { Phonemizer } from '../engine/speech/voice-model.ts';
import { CapacityError } from '../tensor/errors.ts';
import type { EspeakLanguage } from '../text/speech/espeak-phonemes.ts';

/** @throws CapacityError where the package is not there, with the command that adds it */
export async function checkEspeak(): Promise<void> {
  await findPackage();
}

/** @throws as {@link checkEspeak} */
async function openEspeak(): Promise<OpenEspeak> {
  const entry = await findPackage();
  const run = espeakOf((await import(entry)) as { readonly default?: unknown }, entry);
  const bytes = await readFile(fileURLToPath(new URL('espeak-ng.wasm', entry)));
  return { run, module: await WebAssembly.compile(bytes) };
}

/** Beside the user's own program, beside this package, or in the folder that INGOT_ESPEAK names. */
async function findPackage(): Promise<string> {
  const named = process.env['INGOT_ESPEAK'];
  if (named !== undefined && named !== '') return pathToFileURL(join(named, 'dist', 'espeak-ng.js')).href;
  const { createRequire } = await import('node:module');
  for (const from of [`${process.cwd()}/`, import.meta.url]) {
    try {
      return pathToFileURL(createRequire(from).resolve(ESPEAK_PACKAGE)).href;
    } catch {
      // Looked for in the next place.
    }
  }
  // Nothing that was said is wrong: this machine lacks a program.
  throw new CapacityError(
    `a text becomes phonemes by espeak-ng, which is not a part of this package (its licence is GPL 3): add it with ` +
      `"npm install ${ESPEAK_PACKAGE}", or give phonemes ({ phonemes }, or --phonemes).`,
  );
}

/** Opens the package when it is first needed. */
export function espeakPhonemizer(): Phonemizer {
  return createEspeakPhonemizer(openEspeak);
}

/** A WAV file of what espeak-ng itself speaks, for tests and comparisons. */
export async function espeakSound(text: string, language: EspeakLanguage): Promise<Uint8Array> {
  return runEspeak(await openEspeak(), ['-v', language, '-w'], text);
}
