/** Methods of strings that count columns or change single characters. */
import type { Budget } from './budget.ts';
import { entryOf } from './dict.ts';
import { charsOf } from './iterate.ts';
import { TemplateError } from './template-errors.ts';
import { concatTexts, concatWithin, foreignText, ownText, sliceText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { charCount, isDict, isInt, isText, typeName } from './values.ts';
import type { Value } from './values.ts';

/** str.zfill: zeros behind the sign. */
export function padZeros(self: TemplateText, width: number, budget: Budget): TemplateText {
  const missing = width - charCount(self.text);
  if (missing <= 0) return self;
  budget.allowText(width);
  const sign = /^[-+]/.test(self.text) ? 1 : 0;
  return concatTexts([sliceText(self, 0, sign), ownText('0'.repeat(missing)), sliceText(self, sign, self.text.length)]);
}

/** str.expandtabs. */
export function expandTabs(self: TemplateText, size: number, budget: Budget): TemplateText {
  const parts: TemplateText[] = [];
  let column = 0;
  for (const char of charsOf(self, budget)) {
    if (char.text === '\t') {
      const width = size > 0 ? size - (column % size) : 0;
      budget.allowText(width);
      parts.push(ownText(' '.repeat(width)));
      column += width;
    } else {
      parts.push(char);
      column = char.text === '\n' || char.text === '\r' ? 0 : column + 1;
    }
  }
  return concatWithin(parts, budget);
}

/** str.translate with a dict from code points to code points, texts or none. */
export function translateText(self: TemplateText, table: Value, budget: Budget): TemplateText {
  if (!isDict(table)) throw new TemplateError(`translate: expected a dict, found ${typeName(table)}`);
  const parts = charsOf(self, budget).map((char) => {
    const entry = entryOf(table, char.text.codePointAt(0)!);
    if (entry === undefined) return char;
    if (entry.value === null) return ownText('');
    if (isText(entry.value)) return entry.value;
    if (isInt(entry.value) && Number(entry.value) >= 0 && Number(entry.value) <= 0x10ffff)
      return foreignText(String.fromCodePoint(Number(entry.value)));
    throw new TemplateError(`translate: a character cannot become a value of type ${typeName(entry.value)}`);
  });
  return concatWithin(parts, budget);
}
