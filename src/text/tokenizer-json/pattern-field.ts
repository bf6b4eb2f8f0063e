/** The `pattern` of Split and Replace: {"String": ..} or {"Regex": ..}. */
import { FormatError } from '../../tensor/errors.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { createPatternMatcher, createTextMatcher } from '../oniguruma/pattern-matcher.ts';
import type { PatternMatcher } from '../oniguruma/pattern-matcher.ts';

/** @throws FormatError for an expression that is wrong or has parts that are not supported, with their names */
export function readPattern(fields: JsonFields): PatternMatcher {
  const pattern = fields.value('pattern');
  const { String: text, Regex: expression } = isJsonObject(pattern) ? pattern : {};
  if (typeof text === 'string') return createTextMatcher(text);
  if (typeof expression !== 'string') return fields.fail('pattern', '{"String": ..} or {"Regex": ..}');
  try {
    return createPatternMatcher(expression);
  } catch (error) {
    if (error instanceof SyntaxError) throw new FormatError(`${fields.where}.pattern.Regex: ${error.message}.`, { cause: error });
    throw error;
  }
}
