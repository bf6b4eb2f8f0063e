/** Phonemes by espeak-ng, of the npm package `espeak-ng`: GPL 3, and so never a dependency; whoever wants it adds it. */
import { FormatError } from '../../tensor/errors.ts';
import type { Clause } from '../../text/speech/clauses.ts';
import type { EspeakLanguage } from '../../text/speech/espeak-phonemes.ts';
import type { Phonemizer } from './voice-model.ts';

/** What is used of the package: a command line in WebAssembly, with files in memory. */
interface EspeakRun {
  readonly FS: { readFile(path: string): Uint8Array; writeFile(path: string, bytes: Uint8Array): void };
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

export interface OpenEspeak {
  readonly run: Espeak;
  readonly module: WebAssembly.Module;
}

/**
 * What the package's program gives, as far as it is used.
 * @param made the module `espeak-ng.js`, as it is imported from `where`
 * @throws FormatError for another
 */
export function espeakOf(made: { readonly default?: unknown }, where: string): OpenEspeak['run'] {
  if (typeof made.default === 'function') return made.default as Espeak;
  throw new FormatError(
    `the package ${ESPEAK_PACKAGE} at ${where} has no function as its default: expected version 1 (npm install ${ESPEAK_PACKAGE}@1).`,
  );
}

/** @param open gives the package when it is first needed; one that fails is asked again with the next text */
export function createEspeakPhonemizer(open: () => Promise<OpenEspeak>): Phonemizer {
  let opened: Promise<OpenEspeak> | undefined;
  return async (clauses, language, signal) => {
    signal?.throwIfAborted();
    opened ??= open();
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
  const made = await runEspeak(espeak, ['-q', '--ipa', '--tie=^', '-v', language, '--phonout'], text);
  const lines = new TextDecoder().decode(made).split('\n');
  return lines.map((line) => line.trim()).filter((line) => line !== '');
}

/**
 * A run of the command line: a new instance of the module, since it leaves nothing that a second run could stand on.
 * @param flags the last of which names the file that comes back
 */
export async function runEspeak({ run: start, module }: OpenEspeak, flags: readonly string[], text: string): Promise<Uint8Array> {
  const errors: string[] = [];
  const done = await start({
    arguments: [...flags, OUTPUT, '-f', INPUT],
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
