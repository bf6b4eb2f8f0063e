/** A dialect whose answers have the usual form. */
import type { AnswerDialect, CallForm, CallGrammar, ToolSignature } from './answer-dialect.ts';
import { createParser } from './create-parser.ts';
import { marksOf, readAnswer } from './read-answer.ts';
import type { AnswerForm } from './read-answer.ts';

export interface FormDialect extends Pick<AnswerDialect, 'name' | 'isFor'> {
  readonly form: AnswerForm;
  /** Marks inside calls. */
  readonly callMarks?: readonly string[] | undefined;
  readonly grammar?: AnswerDialect['callGrammar'] | undefined;
}

export function formDialect({ name, isFor, form, callMarks = [], grammar = () => undefined }: FormDialect): AnswerDialect {
  const rules = { marks: [...marksOf(form), ...callMarks], read: (reader: Parameters<typeof readAnswer>[0]) => readAnswer(reader, form) };
  return {
    name,
    isFor,
    reasoning: form.reasoning[0],
    createParser: (vocabulary, options) => createParser(rules, vocabulary, options),
    callGrammar: grammar,
  };
}

/** Calls by what stands before and after the arguments of each. */
export function callForms(
  tools: readonly ToolSignature[],
  { begin, end, form = 'json' }: { readonly begin: (name: string) => string; readonly end: string; readonly form?: CallForm['arguments'] },
): readonly CallForm[] {
  return tools.map(({ name, parameters }) => ({ name, begin: begin(name), arguments: form, schema: parameters, end }));
}

/** One call that is the whole answer, as an object in JSON. */
export const bareJsonCall: AnswerDialect['callGrammar'] = (tools) => ({
  triggers: [],
  begin: '',
  separator: undefined,
  end: '',
  calls: callForms(tools, { begin: (name) => `{"name": ${JSON.stringify(name)}, "parameters": `, end: '}' }),
});

/** Objects in JSON, each between two marks. */
export function jsonBlocks(open: string, close: string): AnswerDialect['callGrammar'] {
  return (tools): CallGrammar => ({
    triggers: [open],
    begin: '',
    separator: '\n',
    end: '',
    calls: callForms(tools, { begin: (name) => `${open}\n{"name": ${JSON.stringify(name)}, "arguments": `, end: `}\n${close}` }),
  });
}

/** An array of objects in JSON between two marks. */
export function jsonArray(open: string, close: string): AnswerDialect['callGrammar'] {
  return (tools): CallGrammar => ({
    triggers: [open],
    begin: `${open}[`,
    separator: ', ',
    end: `]${close}`,
    calls: callForms(tools, { begin: (name) => `{"name": ${JSON.stringify(name)}, "arguments": `, end: '}' }),
  });
}
