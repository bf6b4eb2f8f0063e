/** The arguments of a call in the form of its dialect, from the JSON Schema of them. */
import type { JsonObject, JsonValue } from '../../tensor/checkpoint.ts';
import { isJsonObject } from '../../tensor/json.ts';
import { GLM_TAGS, QWEN_TAGS } from '../answers/tag-settings.ts';
import type { TagSettings } from '../answers/tag-settings.ts';
import { valueKind } from '../answers/value-kind.ts';
import type { ArgumentsForm } from './arguments-form.ts';
import { bareTexts, gemmaTexts, jsonWithoutTexts, pythonTexts } from './argument-texts.ts';
import type { FormMark } from './argument-texts.ts';
import { acceptsText, combine } from './char-dfa.ts';
import { EMPTY, dfaNode, sequence, textNode } from './grammar-node.ts';
import type { CharDfa, GrammarNode } from './grammar-node.ts';
import type { MemberTexts, ValueTexts } from './json-texts.ts';
import { membersGrammar, schemaGrammar } from './schema-grammar.ts';

export interface ArgumentsOptions {
  readonly form: ArgumentsForm;
  readonly json: ValueTexts;
  /** A mark of the form, as the vocabulary has it. */
  readonly markOf: (text: string) => FormMark;
}

/** Names of members that a form can say, and how it says those. */
function namesBy(pattern: string, json: ValueTexts) {
  const sayable = json.regex(pattern, false);
  return {
    node: (name: string | CharDfa): GrammarNode =>
      typeof name === 'string' ? textNode(name) : dfaNode(combine(name, sayable), 'text'),
    refusal: (name: string): string | undefined =>
      acceptsText(sayable, name) ? undefined : `the name ${JSON.stringify(name)} cannot be said in this form of calls.`,
  };
}

/** The texts of the arguments as a whole: names and members of their own, values as `inner` has them. */
function outerTexts(inner: ValueTexts, members: MemberTexts, refusal: (name: string) => string | undefined): ValueTexts {
  return { ...inner, members, refusal: (text, role) => (role === 'name' ? refusal(text) : inner.refusal(text, role)) };
}

function pythonArguments(schema: JsonValue, { json }: ArgumentsOptions): GrammarNode {
  const inner = pythonTexts(json);
  const { node, refusal } = namesBy('\\w{1,64}', json);
  const members: MemberTexts = {
    open: EMPTY, close: EMPTY, separator: inner.members.separator,
    member: (name, value) => sequence(node(name), textNode('='), value),
  };
  return membersGrammar(schema, { texts: outerTexts(inner, members, refusal), inner, json, isStrict: true, ofMember: () => inner });
}

function taggedArguments(schema: JsonValue, tags: TagSettings, { json, markOf }: ArgumentsOptions): GrammarNode {
  const end = markOf(tags.valueEnd);
  const inner = jsonWithoutTexts(json, end);
  const { node, refusal } = namesBy('[^\\s<>](?:[^\\n<>]*[^\\s<>])?', json);
  const [line, lineBetween] = tags.hasLines ? [textNode('\n'), EMPTY] : [EMPTY, textNode('\n')];
  const behindKey = [markOf(tags.keyEnd).node, ...(tags.value === undefined ? [] : [lineBetween, markOf(tags.value).node]), line];
  const members: MemberTexts = {
    open: EMPTY, close: EMPTY, separator: EMPTY,
    member: (name, value) => sequence(markOf(tags.key).node, node(name), ...behindKey, value, line, end.node, textNode('\n')),
  };
  const byKind = {
    string: bareTexts(inner, end, { isMixed: false }), either: bareTexts(inner, end, { isMixed: true }), json: inner,
  };
  const parameters: JsonObject | undefined = isJsonObject(schema) ? schema : undefined;
  const ofMember = (name: string | undefined) => (name === undefined ? byKind.either : byKind[valueKind(parameters, name)]);
  return membersGrammar(schema, { texts: outerTexts(inner, members, refusal), inner, json, isStrict: true, ofMember });
}

/**
 * The arguments that a schema allows, as the parser of the same form reads them.
 * @throws InputError with the path of what cannot be obeyed, or not said in the form
 */
export function argumentsGrammar(schema: JsonValue, options: ArgumentsOptions): GrammarNode {
  const { form, json, markOf } = options;
  // Whatever else the schema allows, arguments are an object; references are to the schema as it was given.
  const ofObjects: JsonValue = isJsonObject(schema) ? { ...schema, type: 'object' } : schema;
  switch (form) {
    case 'json': return schemaGrammar(ofObjects, { texts: json, isStrict: true });
    case 'gemma': return schemaGrammar(ofObjects, { texts: gemmaTexts(json, markOf('<|"|>')), json, isStrict: true });
    case 'python-keywords': return pythonArguments(ofObjects, options);
    case 'xml-parameters': return taggedArguments(ofObjects, QWEN_TAGS, options);
    case 'arg-pairs': return taggedArguments(ofObjects, GLM_TAGS, options);
    default: return form satisfies never;
  }
}
