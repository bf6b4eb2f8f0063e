/** Character references of HTML, as numbers and by name. */
import { namedTexts, unclosedNames } from './html-entity-names.ts';

const withSemicolon: ReadonlyMap<string, string> = new Map(
  namedTexts.split('  ').flatMap((row) => {
    const [text, ...names] = row.split(' ');
    return names.map((name): [string, string] => [name, text!]);
  }),
);

const withoutSemicolon: ReadonlyMap<string, string> = new Map(unclosedNames.split(' ').map((name) => [name, withSemicolon.get(name)!]));

/** What numbers from 128 to 159 stand for: Windows-1252. */
const windows = [
  '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f',
  '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178',
].join('');

/** markupsafe's striptags: without comments, tags and white space that is doubled, and with characters for their references. */
export function stripTags(text: string): string {
  const plain = cutAll(cutAll(text, '<!--', '-->'), '<', '>');
  const words = plain.split(/(?:(?!\ufeff)[\s\x1c-\x1f\x85])+/).filter((word) => word !== '');
  return unescapeHtml(words.join(' '));
}

/** Takes out what stands between two marks, as often as both are there. */
function cutAll(text: string, open: string, close: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let start = text.indexOf(open); start >= 0; start = text.indexOf(open, from)) {
    const end = text.indexOf(close, start);
    if (end < 0) break;
    parts.push(text.slice(from, start));
    from = end + close.length;
  }
  return parts.join('') + text.slice(from);
}

/** Python's html.unescape. */
export function unescapeHtml(text: string): string {
  return text.replace(
    /&(?:#(\d+);?|#[xX]([\da-fA-F]+);?|([^\t\n\f <&#;]{1,32};?))/g,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return namedReference(name) ?? whole;
      return charOf(decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal));
    },
  );
}

function namedReference(name: string): string | undefined {
  const exact = name.endsWith(';') ? withSemicolon.get(name.slice(0, -1)) : withoutSemicolon.get(name);
  if (exact !== undefined) return exact;
  for (let length = name.length - 1; length > 1; length--) {
    const found = withoutSemicolon.get(name.slice(0, length));
    if (found !== undefined) return found + name.slice(length);
  }
  return undefined;
}

function charOf(code: number): string {
  if (code === 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return '\ufffd';
  if (code >= 0x80 && code <= 0x9f) return windows[code - 0x80]!;
  const isControl = (code < 0x20 && ![0x9, 0xa, 0xc, 0xd].includes(code)) || code === 0x7f;
  const isNoCharacter = (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
  return isControl || isNoCharacter ? '' : String.fromCodePoint(code);
}
