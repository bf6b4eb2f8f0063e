/** Phonemes by espeak-ng, which lies among the peers or where INGOT_ESPEAK says; and its own speech, heard by Moonshine. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { fixturesPath, hasShared, sharedPath } from '../../test/fixture-tensors.ts';
import { openAudio } from '../audio/open-audio.ts';
import { memorySource } from '../files/memory-source.ts';
import { joinClauses, splitClauses } from '../text/speech/clauses.ts';
import { normalizeEnglish } from '../text/speech/english/normalize-english.ts';
import { kokoroPhonemes } from '../text/speech/espeak-phonemes.ts';
import { espeakPhonemizer, espeakSound } from './espeak-phonemizer.ts';
import { loadSpeechModel } from './load-speech-model.ts';

const among = fileURLToPath(new URL('../../peers/node_modules/espeak-ng', import.meta.url));
const folder = process.env['INGOT_ESPEAK'] ?? among;
const MOONSHINE = `${sharedPath}/real/moonshine`;
const hasMoonshine = hasShared('real/moonshine/model.safetensors') && hasShared('vocab/llama-spm.gguf');

const built = new URL('../../dist/node/espeak-phonemizer.js', import.meta.url);

// By Node itself: the test runner reads such names otherwise.
test.skipIf(!existsSync(built))('the package is found in a folder whose name a URL would read otherwise', () => {
  const named = mkdtempSync(join(tmpdir(), 'espeak #1 %41'));
  mkdirSync(join(named, 'dist'));
  writeFileSync(join(named, 'dist', 'espeak-ng.js'), 'module.exports = 1;');
  const call = "espeakPhonemizer()([{ words: 'a', before: '', after: '' }], 'en-us')";
  const program = `import(${JSON.stringify(built.href)}).then((it) => it.${call})`;
  try {
    const { stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', env: { ...process.env, INGOT_ESPEAK: named } });
    expect(stderr).toMatch(/has no function as its default/);
  } finally {
    rmSync(named, { recursive: true });
  }
});

describe.skipIf(!existsSync(folder))('espeak-ng', () => {
  beforeAll(() => void (process.env['INGOT_ESPEAK'] = folder));

  const phonemize = espeakPhonemizer();
  const speak = async (text: string, language: 'en-us' | 'en-gb' = 'en-us') => {
    const clauses = splitClauses(normalizeEnglish(text, language));
    return joinClauses(clauses, (await phonemize(clauses, language)).map((ipa) => kokoroPhonemes(ipa, language)));
  };

  test('makes phonemes of words, between the marks of the text', async () => {
    expect(await speak('Hello, world!')).toBe('həlˈO, wˈɜɹld!');
    expect(await speak('“Choose a judge”, she said: (boys) now.')).toBe('“ʧˈuz ə ʤˈʌʤ”, ʃi sˈɛd: (bˈYz) nˈW.');
    expect(await speak('Hello, world!', 'en-gb')).toBe('həlˈQ, wˈɜːld!');
    expect(await speak('It costs $5.')).toBe(await speak('It costs five dollars.'));
  });

  test('has as many clauses as the text, whatever stands in them', async () => {
    const texts = ['a.b', 'No - way', '(((', 'one; two: three… four? five! six, seven', 'e', 'x y z', '. . .', 'Ünïcödé çafé', '日本 now'];
    for (const text of texts) {
      const clauses = splitClauses(text);
      expect((await phonemize(clauses, 'en-us')).length).toBe(clauses.length);
    }
  });

  // 50 runs of espeak-ng and of Moonshine: a minute of one core. INGOT_ROUND_TRIP=50 asks for all sentences.
  test.skipIf(!hasMoonshine)('what it speaks is heard', { tags: 'slow', timeout: 600_000 }, async () => {
    const sentences = readFileSync(`${fixturesPath}speech/sentences.txt`, 'utf8').split('\n').filter(Boolean);
    const asked = Number(process.env['INGOT_ROUND_TRIP'] ?? '10');
    const model = await loadSpeechModel(MOONSHINE, { device: 'cpu', tokenizer: `${sharedPath}/vocab/llama-spm.gguf` });
    let [errors, words] = [0, 0];
    try {
      for (const sentence of sentences.slice(0, asked)) {
        const sound = await openAudio(memorySource(await espeakSound(sentence, 'en-us'), 'espeak.wav'));
        const { text } = await model.transcribe(sound);
        const [wanted, found] = [wordsOf(sentence), wordsOf(text)];
        errors += distance(wanted, found);
        words += wanted.length;
        if (asked > 10) process.stdout.write(`${distance(wanted, found)}/${wanted.length}\t${sentence}\t${text}\n`);
      }
    } finally {
      await model.dispose();
    }
    if (asked > 10) process.stdout.write(`word errors: ${errors} of ${words} (${((100 * errors) / words).toFixed(1)}%)\n`);
    // A trained listener of another's made voice: far from noise, where it would be all of them.
    expect(errors / words).toBeLessThan(0.3);
  });
});

function wordsOf(text: string): string[] {
  return text.toLowerCase().replace(/[^a-z' ]/g, ' ').split(/\s+/).filter(Boolean);
}

/** Words put in, left out or taken for another. */
function distance(a: readonly string[], b: readonly string[]): number {
  let row = b.map((_, j) => j + 1);
  row.unshift(0);
  a.forEach((word, i) => {
    const next = [i + 1];
    b.forEach((other, j) => next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (word === other ? 0 : 1))));
    row = next;
  });
  return row[b.length]!;
}
