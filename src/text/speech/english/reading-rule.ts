/** A way in which something written is read: a pattern of text, and the words for it. */
export interface ReadingRule {
  /** With the flag `g`. */
  readonly pattern: RegExp;
  /** @param match the whole, then its groups, which may be missing. */
  readonly read: (match: readonly (string | undefined)[], language: EnglishVariant) => string;
}

/** Which day of `3/4` is the month differs, and little else. */
export type EnglishVariant = 'en-us' | 'en-gb';

/** All matches of a text as they are read. */
export function applyRule(text: string, { pattern, read }: ReadingRule, language: EnglishVariant): string {
  return text.replace(pattern, (...args: unknown[]) => {
    const groups = args.slice(0, args.findIndex((arg) => typeof arg === 'number')) as (string | undefined)[];
    return read(groups, language);
  });
}
