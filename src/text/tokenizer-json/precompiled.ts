/**
 * The `Precompiled` normaliser: SentencePiece's table of replacements as a double array (Darts), looked up for each
 * grapheme below six bytes and else for each character. As in tokenizers, the shortest key that a grapheme begins with
 * decides for all of it.
 */
import { FormatError } from '../../tensor/errors.ts';
import type { TextPiece } from './text-piece.ts';

interface Charsmap {
  /** Units of the double array. */
  readonly units: Uint32Array;
  /** Replacements, each ended by NUL. */
  readonly texts: Uint8Array;
}

const maxGraphemeBytes = 5;

/** @throws FormatError for text that is not base64 or a table that does not fit its own sizes */
export function createPrecompiled(base64: string, where: string): (piece: TextPiece) => TextPiece {
  const lookUp = createLookup(readCharsmap(base64, where));
  return (piece) => replaceAll(piece, lookUp);
}

function readCharsmap(base64: string, where: string): Charsmap {
  const bytes = decodeBase64(base64, where);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const unitBytes = bytes.length < 4 ? -1 : view.getUint32(0, true);
  if (unitBytes < 4 || unitBytes % 4 !== 0 || unitBytes > bytes.length - 4) {
    throw new FormatError(`${where}: expected the size of an array within ${bytes.length} bytes, found ${unitBytes}. The file is damaged.`);
  }
  const units = Uint32Array.from({ length: unitBytes / 4 }, (_, index) => view.getUint32(4 + 4 * index, true));
  return { units, texts: bytes.subarray(4 + unitBytes) };
}

function decodeBase64(base64: string, where: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch (error) {
    throw new FormatError(`${where}: expected base64, found ${JSON.stringify(base64.slice(0, 40))}.`, { cause: error });
  }
}

type Lookup = (part: string) => string | undefined;

function createLookup({ units, texts }: Charsmap): Lookup {
  const utf8 = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const known = new Map<string, string | undefined>();
  const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
  const find = (part: string): string | undefined => {
    let node = offsetOf(units[0]!);
    for (const byte of utf8.encode(part)) {
      if (byte === 0) return undefined;
      node ^= byte;
      const unit = units[node];
      if (unit === undefined || (unit & 0x800000ff) !== byte) return undefined;
      node ^= offsetOf(unit);
      if ((unit & 0x100) === 0) continue;
      const start = (units[node] ?? 0) & 0x7fffffff;
      const end = texts.indexOf(0, start);
      return decoder.decode(texts.subarray(start, end < 0 ? texts.length : end));
    }
    return undefined;
  };
  return (part) => {
    if (known.has(part)) return known.get(part);
    const found = find(part);
    if (known.size >= maxKnown) known.clear();
    known.set(part, found);
    return found;
  };
}

const maxKnown = 16_384;

const attachesToNext = '[\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u0d4e]{1,2}';
const attachesToPrevious = '[\\p{M}\\p{Emoji_Modifier}\\u200c\\u200d\\u0e33\\u0eb3\\uff9e\\uff9f]+';
const base = '[^\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]';
/** Graphemes of several characters, as far as they can have fewer than six bytes. */
const clusters = new RegExp(
  `\\r\\n|(?:${attachesToNext}${base}?|${base})${attachesToPrevious}|${attachesToNext}${base}`,
  'gu',
);

function replaceAll(piece: TextPiece, lookUp: Lookup): TextPiece {
  const output = createOutput(piece);
  const replaceChars = (text: string): void => {
    for (const char of text) output.add(char, lookUp(char));
  };
  let from = 0;
  for (const match of piece.text.matchAll(clusters)) {
    const [cluster] = match;
    replaceChars(piece.text.slice(from, match.index));
    from = match.index + cluster.length;
    const whole = byteLength(cluster) <= maxGraphemeBytes ? lookUp(cluster) : undefined;
    if (whole === undefined) replaceChars(cluster);
    else output.add(cluster, whole);
  }
  replaceChars(piece.text.slice(from));
  return output.end();
}

function byteLength(text: string): number {
  return text.length > maxGraphemeBytes ? Infinity : new TextEncoder().encode(text).length;
}

/** A new character, and how tokenizers counts it: 0 for one in place of an old one, 1 for one more, -n for one in place of 1 + n. */
interface NewChar {
  readonly length: number;
  change: number;
}

/** Old units behind the head that are looked at: what is dropped there may still count for a new character before. */
const lookAhead = 32;

/** Collects the new text, and from its first characters how much of it belongs to the head. */
function createOutput(piece: TextPiece) {
  const parts: string[] = [];
  const chars: NewChar[] = [];
  let seen = 0;
  const follow = (part: string, changed: string): void => {
    const oldCount = Array.from(part).length;
    const added = Array.from(changed, (char): NewChar => ({ length: char.length, change: 0 }));
    const more = added.length - oldCount;
    chars.push(...added);
    if (more > 0) for (const char of chars.slice(-more)) char.change = 1;
    const last = chars.at(-1);
    if (more < 0 && last !== undefined) last.change += more;
    seen += part.length;
  };
  return {
    add(part: string, replaced: string | undefined): void {
      const changed = replaced ?? part;
      if (piece.head > 0 && seen < piece.head + lookAhead) follow(part, changed);
      parts.push(changed);
    },
    end: (): TextPiece => ({ text: parts.join(''), isFirst: piece.isFirst, head: headOf(piece, chars) }),
  };
}

/** New characters take the places of the old ones in order; one more takes the place of the old one before it. */
function headOf({ text, head }: TextPiece, chars: readonly NewChar[]): number {
  let length = 0;
  let old = 0;
  const pass = (): void => {
    old += old < text.length && text.codePointAt(old)! > 0xffff ? 2 : 1;
  };
  for (const char of chars) {
    const isInHead = char.change > 0 ? old <= head : old < head;
    if (!isInHead) break;
    length += char.length;
    if (char.change <= 0) for (let count = 0; count <= -char.change; count++) pass();
  }
  return length;
}
