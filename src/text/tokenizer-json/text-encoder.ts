/** The way of a text through a tokenizer.json: added tokens, normaliser, normalised added tokens, pre-tokenizer, model. */
import type { SpecialFilter } from '../tokenizer.ts';
import { createJsonAddedTokenSplitter } from './added-token-splitter.ts';
import type { JsonAddedToken } from './added-vocabulary.ts';
import type { TokenModel } from './model-vocabulary.ts';
import type { Normalizer } from './normalizer.ts';
import type { PreTokenizer } from './pre-tokenizer.ts';
import { slicePiece, wholeText } from './text-piece.ts';
import type { TextPiece } from './text-piece.ts';

export interface EncoderParts {
  readonly added: readonly JsonAddedToken[];
  readonly normalize: Normalizer;
  readonly preTokenize: PreTokenizer;
  readonly model: TokenModel;
}

/** Gives the ids of a text, without what goes around it. */
export type TextEncoding = (text: string, allowSpecial: SpecialFilter) => number[];

export function createTextEncoder({ added, normalize, preTokenize, model }: EncoderParts): TextEncoding {
  const splitRaw = createJsonAddedTokenSplitter(added.filter((token) => !token.normalized));
  const normalized = added.filter((token) => token.normalized);
  const splitNormalized = createJsonAddedTokenSplitter(normalized);
  const specialTexts = normalized.filter((token) => token.special).map((token) => token.text);

  const encodePlain = (piece: TextPiece, ids: number[]): void => {
    if (piece.text === '') return;
    for (const { text } of preTokenize([piece])) for (const id of model.encode(text)) ids.push(id);
  };
  const encodeSection = (section: TextPiece, allowSpecial: SpecialFilter, ids: number[]): void => {
    const piece = normalize(section);
    const isAllowed = allowSpecial(0, section.text.length);
    const places = isAllowed ? [] : specialPlaces({ section, allowSpecial, normalize, specialTexts });
    // The normaliser may have put something before the token itself.
    const allows = (start: number, end: number, text: string): boolean =>
      isAllowed || places.some((place) => place.text === text && place.end === end && place.start >= start && place.start < end);
    for (const part of splitNormalized({ text: piece.text, allows, hidesRefused: places.length === 0 })) {
      if ('id' in part) ids.push(part.id);
      else encodePlain(slicePiece(piece, part.start, part.end), ids);
    }
  };
  return (text, allowSpecial) => {
    const ids: number[] = [];
    const whole = wholeText(text);
    for (const part of splitRaw({ text, allows: allowSpecial, hidesRefused: true })) {
      if ('id' in part) ids.push(part.id);
      else encodeSection(slicePiece(whole, part.start, part.end), (start, end) => allowSpecial(part.start + start, part.start + end), ids);
    }
    return ids;
  };
}

interface NormalizedSection {
  readonly section: TextPiece;
  readonly allowSpecial: SpecialFilter;
  readonly normalize: Normalizer;
  readonly specialTexts: readonly string[];
}

/** Each takes a run of the normaliser. */
const maxPlaces = 256;

interface Place {
  /** Of the token. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Where special tokens are written in a section and may stand, as places behind the normaliser, which moves them. */
function specialPlaces({ section, allowSpecial, normalize, specialTexts }: NormalizedSection): Place[] {
  const { text } = section;
  const lengthTo = (end: number): number => normalize(slicePiece(section, 0, end)).text.length;
  const places: Place[] = [];
  for (const special of specialTexts) {
    for (let at = text.indexOf(special); at >= 0 && places.length < maxPlaces; at = text.indexOf(special, at + 1)) {
      if (allowSpecial(at, at + special.length)) places.push({ text: special, start: lengthTo(at), end: lengthTo(at + special.length) });
    }
  }
  return places;
}
