/** English as it is read aloud: numbers, dates, money and abbreviations as words. Rules in an order: the more special before the others. */
import { ADDRESSES, ABBREVIATIONS, DATES, RATIOS, SIGNS, TELEPHONES } from './names.ts';
import { DECADES, MEASURES, MONEY, NUMBERS, PARTS, ROMANS, TIMES } from './measures.ts';
import { applyRule } from './reading-rule.ts';
import type { EnglishVariant, ReadingRule } from './reading-rule.ts';

const RULES: readonly ReadingRule[] = [
  ...ADDRESSES, ...TIMES, ...DATES, ...ABBREVIATIONS, ...ROMANS, ...TELEPHONES, ...DECADES, ...MONEY, ...MEASURES, ...PARTS, ...RATIOS,
  ...SIGNS,
  ...NUMBERS,
];

/** Characters that are read as others are. */
const SAME: readonly (readonly [RegExp, string])[] = [
  [/[\u2018\u2019\u02bc\uff07]/g, "'"],
  [/[\u00a0\u2000-\u200a\u202f\u205f\u3000]/g, ' '],
  [/[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]/g, ''],
  [/[\u2010\u2011]/g, '-'],
  [/\u2026|\.{3,}/g, '…'],
];

/**
 * One sentence in words. What no rule reads stays as it is.
 * @param text at most some hundred characters: rules look at all of it
 */
export function normalizeEnglish(text: string, variant: EnglishVariant = 'en-us'): string {
  let read = text.replace(/[\p{Surrogate}\ufffd]/gu, ' ');
  for (const [pattern, by] of SAME) read = read.replace(pattern, by);
  read = read.replace(/\s+/g, ' ');
  for (const rule of RULES) read = applyRule(read, rule, variant);
  return read.replace(/\s+/g, ' ').replace(/\s+([,.;:!?…])/g, '$1').trim();
}
