/** Letter cases as Python's str has them, where JavaScript's differ or are missing. */

const digraphs: Readonly<Record<string, string>> = {
  Ǆ: 'ǅ',
  ǅ: 'ǅ',
  ǆ: 'ǅ',
  Ǉ: 'ǈ',
  ǈ: 'ǈ',
  ǉ: 'ǈ',
  Ǌ: 'ǋ',
  ǋ: 'ǋ',
  ǌ: 'ǋ',
  Ǳ: 'ǲ',
  ǲ: 'ǲ',
  ǳ: 'ǲ',
  ŉ: 'ʼN',
};

/** The title case of a character, which may be several. */
function titleChar(char: string): string {
  const code = char.codePointAt(0)!;
  if (Object.hasOwn(digraphs, char)) return digraphs[char]!;
  if (code >= 0x10d0 && code <= 0x10ff) return char;
  if (code >= 0x1f80 && code <= 0x1faf) return String.fromCodePoint(code | 8);
  if (code === 0x1fb3 || code === 0x1fc3 || code === 0x1ff3) return String.fromCodePoint(code + 9);
  if (code === 0x1fbc || code === 0x1fcc || code === 0x1ffc) return char;
  const upper = char.toUpperCase();
  const [first = ''] = upper;
  return first + upper.slice(first.length).toLowerCase();
}

export function capitalizeText(text: string): string {
  const [first = ''] = text;
  return titleChar(first || '') + text.toLowerCase().slice(first.toLowerCase().length);
}

/** str.title: every run of letters starts a word. */
export function titleText(text: string): string {
  return text.replace(/\p{Cased}+/gu, (word) => capitalizeText(word));
}

/** jinja2's filter `title`: words start after white space, hyphens and opening brackets. */
export function titleWords(text: string): string {
  return text
    .split(/([-\s\x1c-\x1f\x85({[<]+)/)
    .map((item) => {
      const [first = ''] = item;
      return first.toUpperCase() + item.slice(first.length).toLowerCase();
    })
    .join('');
}

/** How far a sigma looks for letters. */
const sigmaReach = 64;

function isFinal(text: string, at: number): boolean {
  const [before, after] = [text.slice(Math.max(0, at - sigmaReach), at), text.slice(at + 1, at + 1 + sigmaReach)];
  return /\p{Cased}\p{Case_Ignorable}*$/u.test(before) && !/^\p{Case_Ignorable}*\p{Cased}/u.test(after);
}

export function swapCase(text: string): string {
  return text.replace(/\p{Cased}/gu, (char, at: number) => {
    if (char === 'Σ') return isFinal(text, at) ? 'ς' : 'σ';
    return /\p{Uppercase}/u.test(char) ? char.toLowerCase() : char.toUpperCase();
  });
}

/** str.casefold. */
export function foldCase(text: string): string {
  return Array.from(text, (char) => {
    const code = char.codePointAt(0)!;
    if (char === 'ı' || (code >= 0x13a0 && code <= 0x13f5)) return char;
    if ((code >= 0x13f8 && code <= 0x13fd) || (code >= 0xab70 && code <= 0xabbf)) return char.toUpperCase();
    return char === 'ẞ' ? 'ss' : char.toUpperCase().toLowerCase();
  }).join('');
}

export const isLowerText = (text: string): boolean => /\p{Lowercase}/u.test(text) && !/[\p{Uppercase}\p{Lt}]/u.test(text);
export const isUpperText = (text: string): boolean => /\p{Uppercase}/u.test(text) && !/[\p{Lowercase}\p{Lt}]/u.test(text);

export function isTitleText(text: string): boolean {
  let isInWord = false;
  let hasWord = false;
  for (const char of text) {
    const isStart = /[\p{Uppercase}\p{Lt}]/u.test(char);
    const isCased = isStart || /\p{Lowercase}/u.test(char);
    if (isCased && isStart === isInWord) return false;
    hasWord ||= isCased;
    isInWord = isCased;
  }
  return hasWord;
}
