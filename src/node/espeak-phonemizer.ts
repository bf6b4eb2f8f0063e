/** Phonemes by espeak-ng, of the npm package `espeak-ng`: GPL 3, and so never a dependency; whoever wants it adds it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Phonemizer } from '../engine/speech/voice-model.ts';
import { CapacityError, FormatError } from '../tensor/errors.ts';
import type { Clause } from '../text/speech/clauses.ts';
import type { EspeakLanguage } from '../text/speech/espeak-phonemes.ts';

/** What is used of the package: a command line in WebAssembly, with files in memory. */
interface EspeakRun {
  readonly FS: {
    readFile(path: string): Uint8Array;
    writeFile(path: string, bytes: Uint8Array): void;
  };
}
interface EspeakOptions {
  readonly arguments: readonly string[];
  readonly preRun: readonly ((run: EspeakRun) => void)[];
  readonly print: () => void;
  readonly printErr: (line: string) => void;
  readonly instantiateWasm: (imports: WebAssembly.Imports, receive: (instance: WebAssembly.Instance) => void) => object;
}
type Espeak = (options: EspeakOptions) => Promise<EspeakRun>;

export const ESPEAK_PACKAGE = 'espeak-ng';
const INPUT = 'ingot-text';
const OUTPUT = 'ingot-out';

interface OpenEspeak {
  readonly run: Espeak;
  readonly module: WebAssembly.Module;
}

/** @throws CapacityError where the package is not there, with the command that adds it */
export async function checkEspeak(): Promise<void> {
  await findPackage();
}

/** @throws as {@link checkEspeak} */
async function openEspeak(): Promise<OpenEspeak> {
  const entry = await findPackage();
  const made = (await import(entry)) as { readonly default?: unknown };
  if (typeof made.default !== 'function')
    throw new FormatError(
      `the package ${ESPEAK_PACKAGE} at ${entry} has no function as its default: expected version 1 (npm install ${ESPEAK_PACKAGE}@1).`,
    );
  const bytes = await readFile(fileURLToPath(new URL('espeak-ng.wasm', entry)));
  return { run: made.default as Espeak, module: await WebAssembly.compile(bytes) };
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
  let opened: Promise<OpenEspeak> | undefined;
  return async (clauses, language, signal) => {
    signal?.throwIfAborted();
    opened ??= openEspeak();
    opened.catch(() => (opened = undefined));
    const espeak = await opened;
    const spoken = clauses.filter(({ words }) => words !== '');
    const lines = await phonemesOf(espeak, spoken, language);
    signal?.throwIfAborted();
    let at = 0;
    return clauses.map(({ words }) => (words === '' ? '' : (lines[at++] as string)));
  };
}

/** One run for all clauses, which espeak-ng ends where their marks are; one for each where it saw other ends. */
async function phonemesOf(espeak: OpenEspeak, clauses: readonly Clause[], language: EspeakLanguage): Promise<readonly string[]> {
  if (clauses.length === 0) return [];
  const together = await run(espeak, clauses.map(({ words, after }) => `${words}${endMark(after)}`).join('\n'), language);
  if (together.length === clauses.length) return together;
  const each: string[] = [];
  for (const { words } of clauses) each.push((await run(espeak, words, language)).join(' '));
  return each;
}

function endMark(after: string): string {
  return /[.!?…]/.exec(after)?.[0] === '?' ? '?' : /[.!…]/.test(after) ? '.' : ',';
}

async function run(espeak: OpenEspeak, text: string, language: EspeakLanguage): Promise<string[]> {
  const made = await runEspeak(espeak, { flags: ['-q', '--ipa', '--tie=^', '-v', language, '--phonout', OUTPUT], text });
  return new TextDecoder().decode(made).split('\n').map((line) => line.trim()).filter((line) => line !== '');
}

/**
 * A run of the command line: a new instance of the module, since it leaves nothing that a second run could stand on.
 * @param flags one of which names the file {@link OUTPUT}, which is what comes back
 */
async function runEspeak(
  { run: start, module }: OpenEspeak, { flags, text }: { flags: readonly string[]; text: string },
): Promise<Uint8Array> {
  const errors: string[] = [];
  const done = await start({
    arguments: [...flags, '-f', INPUT],
    preRun: [({ FS }) => FS.writeFile(INPUT, new TextEncoder().encode(text))],
    print: () => {},
    printErr: (line) => void errors.push(line),
    instantiateWasm(imports, receive) {
      const instance = new WebAssembly.Instance(module, imports);
      receive(instance);
      return instance.exports;
    },
  });
  try {
    return done.FS.readFile(OUTPUT);
  } catch (error) {
    const told = errors.join(' ').slice(0, 200);
    throw new FormatError(`${ESPEAK_PACKAGE} made nothing of ${JSON.stringify(text.slice(0, 80))}: ${told}`, { cause: error });
  }
}

/** A WAV file of what espeak-ng itself speaks, for tests and comparisons. */
export async function espeakSound(text: string, language: EspeakLanguage): Promise<Uint8Array> {
  return runEspeak(await openEspeak(), { flags: ['-v', language, '-w', OUTPUT], text });
}
