/**
 * Mistral's two dialects: `[TOOL_CALLS]` with an array in JSON (7B v0.3, Nemo, Small 2409), and with `name[ARGS]{...}` for each call, or
 * `name[CALL_ID]id[ARGS]{...}` (Small 3.2, Devstral, Ministral 3, Magistral), which also think between `[THINK]` and `[/THINK]`.
 */
import { callForms, formDialect, jsonArray } from '../form-dialect.ts';
import { mistralCalls } from '../named-calls.ts';
import { MISTRAL_THINK, THINK } from '../reasoning-marks.ts';

const OPEN = '[TOOL_CALLS]';
const ARGUMENTS = '[ARGS]';
const form = { reasoning: [MISTRAL_THINK, THINK], calls: { [OPEN]: mistralCalls } };
const callMarks = [ARGUMENTS, '[CALL_ID]'];

export const mistral = formDialect({
  name: 'mistral',
  isFor: (template) => template.includes(OPEN) && !template.includes(ARGUMENTS),
  form,
  callMarks,
  grammar: jsonArray(OPEN, ''),
});

export const ministral = formDialect({
  name: 'ministral',
  isFor: (template) => template.includes(OPEN) && template.includes(ARGUMENTS),
  form,
  callMarks,
  grammar: (tools) => ({
    triggers: [OPEN],
    begin: '',
    separator: '',
    end: '',
    calls: callForms(tools, { begin: (name) => `${OPEN}${name}${ARGUMENTS}`, end: '' }),
  }),
});
