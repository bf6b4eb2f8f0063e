/**
 * Llama 3.1 to 3.3: one call in JSON, `{"name": "f", "parameters": {...}}`, announced by nothing or by `<|python_tag|>`; in its older
 * form `<function=f>{...}</function>`; of small models a list in Python's form.
 */
import { beginCall } from '../answer-reader.ts';
import { bareJsonCall, formDialect } from '../form-dialect.ts';
import { readName } from '../json-calls.ts';
import type { CallsReader } from '../json-calls.ts';
import { readArgumentsObject } from '../named-calls.ts';
import { pythonicCalls } from '../pythonic-calls.ts';
import { THINK } from '../reasoning-marks.ts';

const PYTHON_TAG = '<|python_tag|>';

const functionInJson: CallsReader = function* (reader) {
  const name = yield* readName(reader, '>');
  if (name === undefined) return false;
  beginCall(reader, name);
  return yield* readArgumentsObject(reader, '</function>');
};

export const llama3 = formDialect({
  name: 'llama3',
  isFor: (template) => template.includes('<|start_header_id|>') && /<\|python_tag\|>|"parameters"|ipython/.test(template),
  form: {
    reasoning: [THINK],
    calls: { [PYTHON_TAG]: pythonicCalls({}), '<function=': functionInJson },
    bareCalls: pythonicCalls({ isBare: true }),
  },
  grammar: bareJsonCall,
});
