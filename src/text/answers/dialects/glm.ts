/** GLM 4.5 and later: `<tool_call>f`, then `<arg_key>key</arg_key><arg_value>value</arg_value>` for each argument, and `</tool_call>`. */
import { beginCall, endCall } from '../answer-reader.ts';
import { callForms, formDialect } from '../form-dialect.ts';
import { jsonCalls, leaveCall } from '../json-calls.ts';
import type { CallsReader } from '../json-calls.ts';
import { peek, skipSpace, takeWhile } from '../read-text.ts';
import { THINK } from '../reasoning-marks.ts';
import { GLM_TAGS } from '../tag-settings.ts';
import { readTagged } from '../tagged-calls.ts';

const OPEN = '<tool_call>';
const CLOSE = '</tool_call>';

const glmCalls: CallsReader = function* (reader) {
  yield* skipSpace(reader);
  const next = yield* peek(reader);
  if (next === '{' || next === '[') return yield* jsonCalls({ close: CLOSE })(reader);
  const name = yield* takeWhile(reader, /[\w.:/-]/, 256);
  const after = yield* peek(reader);
  if (name === '' || (after !== '<' && after !== '\n' && after !== reader.spelling(CLOSE) && after !== reader.spelling('<arg_key>')))
    return false;
  beginCall(reader, name);
  if (!(yield* readTagged(reader, GLM_TAGS, CLOSE))) return yield* leaveCall(reader, CLOSE);
  endCall(reader);
  return true;
};

export const glm = formDialect({
  name: 'glm',
  isFor: (template) => template.includes('<arg_key>'),
  form: { reasoning: [THINK], calls: { [OPEN]: glmCalls } },
  callMarks: [CLOSE, '<arg_key>', '</arg_key>', '<arg_value>', '</arg_value>'],
  grammar: (tools) => ({
    triggers: [OPEN],
    begin: '',
    separator: '\n',
    end: '',
    calls: callForms(tools, { begin: (name) => `${OPEN}${name}\n`, end: CLOSE, form: 'arg-pairs' }),
  }),
});
