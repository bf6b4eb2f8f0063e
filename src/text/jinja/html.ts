/** jinja2's Markup: escaping for HTML. */
import type { Budget } from './budget.ts';
import { textOf } from './printing.ts';
import { asMarkup, asPlain, mapText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import type { Value } from './values.ts';

const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };

/** Markup of a value; a text that is markup stays as it is. */
export function escapeText(value: Value, budget: Budget): TemplateText {
  const text = textOf(value, budget);
  return text.markup ? text : escapePlain(text, budget);
}

/** Markup of a text as if it were none yet. */
export function escapePlain(value: TemplateText, budget: Budget): TemplateText {
  budget.scan(value.text.length);
  const escaped = mapText(asPlain(value), (plain) => plain.replace(/[&<>"']/g, (char) => names[char]!));
  budget.allowText(escaped.text.length);
  return asMarkup(escaped);
}
