/**
 * Gemma 2 and 3, whose templates know no tools: asked for them in words, they write `[f(a=1)]` or `{"name": "f", "parameters": {...}}` as
 * the whole answer, often in a fence of `tool_code` or `json`.
 */
import { bareJsonCall, formDialect } from '../form-dialect.ts';
import type { CallsReader } from '../json-calls.ts';
import { pythonicCalls } from '../pythonic-calls.ts';
import { skipSpace, takeMark } from '../read-text.ts';
import { THINK } from '../reasoning-marks.ts';

const FENCE = '```';
const LANGUAGES = ['tool_code', 'json', 'python', 'tool_call'] as const;

const fencedCalls: CallsReader = function* (reader) {
  if (!(yield* takeMark(reader, FENCE))) return yield* pythonicCalls({ isBare: true })(reader);
  for (const language of LANGUAGES) if (yield* takeMark(reader, language)) break;
  yield* skipSpace(reader);
  return yield* pythonicCalls({ isBare: true, close: FENCE })(reader);
};

export const gemma3 = formDialect({
  name: 'gemma3',
  isFor: (template) => template.includes('<start_of_turn>'),
  form: { reasoning: [THINK], bareCalls: fencedCalls },
  grammar: bareJsonCall,
});
