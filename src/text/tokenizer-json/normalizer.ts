/** The `normalizer` of a tokenizer.json: what is done to a text before it is split. */
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { nestedFields } from '../../tensor/json-fields.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import type { CharSet } from '../oniguruma/char-set.ts';
import type { PatternMatcher } from '../oniguruma/pattern-matcher.ts';
import { createByteAlphabetWriter } from './byte-alphabet-writer.ts';
import { readPattern } from './pattern-field.ts';
import { createPrecompiled } from './precompiled.ts';
import { mapPiece, prependToPiece, slicePiece } from './text-piece.ts';
import type { TextPiece } from './text-piece.ts';
import { bertRemovedChars, combiningMarks, nonspacingMarks, normalForm } from './unicode-of-crates.ts';
import { isWhitespace } from '../unicode-class.ts';
import { leadingSpaceEnd, trailingSpaceStart } from './white-space.ts';

export type Normalizer = (piece: TextPiece) => TextPiece;

const types = [
  'BertNormalizer', 'Strip', 'StripAccents', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Sequence', 'Lowercase', 'Nmt', 'Precompiled', 'Replace',
  'Prepend', 'ByteLevel',
] as const;


/** @throws FormatError for a kind that is not known or a field that is wrong */
export function readNormalizer(value: JsonValue | undefined, where: string, depth = 0): Normalizer {
  const fields = nestedFields(value, where, depth);
  if (fields === undefined) return (piece) => piece;
  const normalizer = build(fields, depth);
  fields.end();
  return normalizer;
}

function build(fields: JsonFields, depth: number): Normalizer {
  const type = fields.oneOf('type', types);
  switch (type) {
    case 'BertNormalizer':
      return bertNormalizer(fields);
    case 'Strip':
      return strip(fields);
    case 'StripAccents':
      return without(combiningMarks());
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return (piece) => mapPiece(piece, (text) => normalForm(text, type));
    case 'Sequence': {
      const readStep = (step: JsonValue, index: number) => readNormalizer(step, `${fields.where}.normalizers[${index}]`, depth + 1);
      const steps = fields.list('normalizers').map(readStep);
      return (piece) => steps.reduce((changed, step) => step(changed), piece);
    }
    case 'Lowercase':
      return (piece) => mapPiece(piece, lowercase);
    case 'Nmt':
      return (piece) => mapPiece(piece, nmt);
    case 'Precompiled':
      return createPrecompiled(fields.text('precompiled_charsmap'), `${fields.where}.precompiled_charsmap`);
    case 'Replace':
      return replace(readPattern(fields), fields.text('content'));
    case 'Prepend':
      return prepend(fields);
    case 'ByteLevel': {
      const toAlphabet = createByteAlphabetWriter();
      return (piece) => mapPiece(piece, toAlphabet);
    }
    default:
      return type satisfies never;
  }
}

/** Character by character, as Rust does: JavaScript would write a final sigma at the end of words. */
function lowercase(text: string): string {
  return text.replaceAll('\u03a3', '\u03c3').toLowerCase();
}

function filter(text: string, removed: CharSet): string {
  let kept = '';
  let from = 0;
  for (let at = 0; at < text.length; ) {
    const char = text.codePointAt(at)!;
    const next = at + (char > 0xffff ? 2 : 1);
    if (removed.has(char)) {
      kept += text.slice(from, at);
      from = next;
    }
    at = next;
  }
  return from === 0 ? text : kept + text.slice(from);
}

function without(removed: CharSet): Normalizer {
  return (piece) => mapPiece(piece, (text) => filter(text, removed));
}

const chineseChars = new RegExp(
  String.raw`[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}` +
    String.raw`\uf900-\ufaff\u{2f800}-\u{2fa1f}]`,
  'gu',
);

function bertNormalizer(fields: JsonFields): Normalizer {
  const lower = fields.flag('lowercase');
  const cleanText = fields.flag('clean_text');
  const handleChinese = fields.flag('handle_chinese_chars');
  const stripAccents = fields.value('strip_accents') === undefined ? lower : fields.flag('strip_accents');
  const removed = bertRemovedChars();
  const marks = nonspacingMarks();
  const change = (text: string): string => {
    let changed = text;
    if (cleanText) changed = Array.from(filter(changed, removed), (char) => (isWhitespace(char.codePointAt(0)!) ? ' ' : char)).join('');
    if (handleChinese) changed = changed.replace(chineseChars, ' $& ');
    if (stripAccents) changed = filter(normalForm(changed, 'NFD'), marks);
    return lower ? lowercase(changed) : changed;
  };
  return (piece) => mapPiece(piece, change);
}

function strip(fields: JsonFields): Normalizer {
  const left = fields.flag('strip_left');
  const right = fields.flag('strip_right');
  return (piece) => {
    const start = left ? leadingSpaceEnd(piece.text) : 0;
    const kept = slicePiece(piece, start, right ? trailingSpaceStart(piece.text, piece.text.length, start) : piece.text.length);
    return { ...kept, isFirst: piece.isFirst };
  };
}

const nmtRemoved = /[\u0001-\u0008\u000b\u000e-\u001f\u007f\u008f\u009f]/g;
const nmtSpaces = /[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g;

function nmt(text: string): string {
  return text.replace(nmtRemoved, '').replace(nmtSpaces, ' ');
}

/** What replaces a match belongs to the match's last character, or to the one before an empty match. */
export function replace(matcher: PatternMatcher, content: string): Normalizer {
  return (piece) => {
    const { text, isFirst, head } = piece;
    const found = matcher.findAll(text);
    if (found.length === 0) return piece;
    const parts: string[] = [];
    let newHead = 0;
    let from = 0;
    for (let at = 0; at < found.length; at += 2) {
      const start = found[at]!;
      const end = found[at + 1]!;
      parts.push(text.slice(from, start), content);
      newHead += Math.max(0, Math.min(head, start) - from) + (isFirst && end <= head ? content.length : 0);
      from = end;
    }
    parts.push(text.slice(from));
    return { text: parts.join(''), isFirst, head: newHead + Math.max(0, head - from) };
  };
}

function prepend(fields: JsonFields): Normalizer {
  const before = fields.text('prepend');
  // tokenizers loses its offsets here, and writes some texts twice.
  if (before === '') fields.fail('prepend', 'at least one character');
  return (piece) => prependToPiece(piece, before);
}
