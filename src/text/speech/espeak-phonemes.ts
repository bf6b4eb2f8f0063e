/** From what espeak-ng says in the International Phonetic Alphabet, with ties, to the phonemes that Kokoro was trained with (misaki's). */

export type EspeakLanguage = 'en-us' | 'en-gb' | 'es' | 'fr-fr' | 'hi' | 'it' | 'pt-br';

/** Longer ones first. */
const ENGLISH: readonly (readonly [string, string])[] = [
  ['ʔˌn\u0329', 'tᵊn'], ['a^ɪ', 'I'], ['a^ʊ', 'W'], ['d^ʒ', 'ʤ'], ['e^ɪ', 'A'], ['t^ʃ', 'ʧ'], ['ɔ^ɪ', 'Y'], ['ə^l', 'ᵊl'], ['ʔn', 'tᵊn'],
  ['ʲO', 'jO'], ['ʲQ', 'jQ'], ['\u0303', ''], ['e', 'A'], ['r', 'ɹ'], ['x', 'k'], ['ç', 'k'], ['ɐ', 'ə'], ['ɚ', 'əɹ'], ['ɬ', 'l'],
  ['ʔ', 't'], ['ʲ', ''],
];
const AMERICAN: readonly (readonly [string, string])[] = [['o^ʊ', 'O'], ['ɜːɹ', 'ɜɹ'], ['ɜː', 'ɜɹ'], ['ɪə', 'iə'], ['ː', '']];
const BRITISH: readonly (readonly [string, string])[] = [['e^ə', 'ɛː'], ['iə', 'ɪə'], ['ə^ʊ', 'Q']];
/** Of all others. */
const AFFRICATES: readonly (readonly [string, string])[] = [['t^ʃ', 'ʧ'], ['d^ʒ', 'ʤ'], ['t^s', 'ʦ'], ['d^z', 'ʣ'], ['t^ɕ', 'ʨ'], ['d^ʑ',
'ʥ']];

/** @param ipa of espeak-ng with `--ipa --tie=^` */
export function kokoroPhonemes(ipa: string, language: EspeakLanguage): string {
  // Brackets say that a word was read in another language.
  let phonemes = ipa.normalize('NFC').replace(/\([a-z-]+\)/g, '').replaceAll('\u200d', '^').replace(/[\s_]+/g, ' ').trim();
  const isEnglish = language === 'en-us' || language === 'en-gb';
  const tables = isEnglish ? [ENGLISH, language === 'en-us' ? AMERICAN : BRITISH] : [AFFRICATES];
  for (const [from, to] of tables[0] as typeof ENGLISH) phonemes = phonemes.replaceAll(from, to);
  if (isEnglish) phonemes = phonemes.replace(/(\S)\u0329/g, 'ᵊ$1').replaceAll('\u0329', '');
  for (const [from, to] of tables[1] ?? []) phonemes = phonemes.replaceAll(from, to);
  if (isEnglish) phonemes = phonemes.replaceAll('o', 'ɔ').replaceAll('g', 'ɡ');
  return phonemes.replaceAll('^', '');
}
