/**
 * Which tokens make a word, as transformers groups them: at spaces, or where a language writes none at whole characters, with punctuation
 * beside the word that it belongs to. Pure.
 */

/** Codes of languages that are written without spaces. */
const WITHOUT_SPACES = ['zh', 'ja', 'th', 'lo', 'my', 'yue'];
const PUNCTUATION = '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~';
/** Goes with the word behind it, where a space is before it. */
const PREPENDED = '"\'“¡¿([{-';
/** Goes with the word before it. */
const APPENDED = '"\'.。,，!！?？:：”)]}、';
const REPLACEMENT = '\ufffd';

export interface WordGroup {
  /** With the space before it where there is one. */
  readonly text: string;
  /** The first of its tokens among those that were given, and how many it has. */
  readonly first: number;
  readonly count: number;
}

export interface Wording {
  readonly language: string | undefined;
  /** Bytes that are no whole character become U+FFFD. */
  readonly decode: (ids: readonly number[]) => string;
}

/** @param ids text tokens, without timestamps and special ones */
export function wordGroups(ids: readonly number[], { language, decode }: Wording): WordGroup[] {
  const pieces = wholeCharacters(ids, decode);
  const words = language !== undefined && WITHOUT_SPACES.includes(language) ? pieces : atSpaces(pieces);
  return appended(prepended(words));
}

/** Tokens, and those together that make whole characters only together. */
function wholeCharacters(ids: readonly number[], decode: Wording['decode']): WordGroup[] {
  const all = Array.from(decode(ids));
  const groups: WordGroup[] = [];
  let [first, place] = [0, 0];
  for (let end = 1; end <= ids.length; end++) {
    const text = decode(ids.slice(first, end));
    const characters = Array.from(text);
    const at = characters.indexOf(REPLACEMENT);
    // What the whole text has there too is no part of a character.
    const isWhole = at < 0 || place + at >= all.length || all[place + at] === REPLACEMENT;
    if (!isWhole) continue;
    groups.push({ text, first, count: end - first });
    place += characters.length;
    first = end;
  }
  return groups;
}

function joined(before: WordGroup, after: WordGroup): WordGroup {
  return { text: before.text + after.text, first: before.first, count: before.count + after.count };
}

function atSpaces(pieces: readonly WordGroup[]): WordGroup[] {
  const words: WordGroup[] = [];
  for (const piece of pieces) {
    const last = words.at(-1);
    if (last === undefined || piece.text.startsWith(' ') || PUNCTUATION.includes(piece.text.trim())) words.push(piece);
    else words[words.length - 1] = joined(last, piece);
  }
  return words;
}

function prepended(words: readonly WordGroup[]): WordGroup[] {
  const kept: WordGroup[] = [];
  for (const word of words.toReversed()) {
    const next = kept.at(-1);
    if (next !== undefined && word.text.startsWith(' ') && PREPENDED.includes(word.text.trim())) kept[kept.length - 1] = joined(word, next);
    else kept.push(word);
  }
  return kept.toReversed();
}

function appended(words: readonly WordGroup[]): WordGroup[] {
  const kept: WordGroup[] = [];
  for (const word of words) {
    const last = kept.at(-1);
    if (last !== undefined && !last.text.endsWith(' ') && APPENDED.includes(word.text)) kept[kept.length - 1] = joined(last, word);
    else kept.push(word);
  }
  return kept;
}
