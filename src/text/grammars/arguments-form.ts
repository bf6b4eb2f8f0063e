/** The forms in which models write the arguments of calls. */

/** How the arguments of a call are written. */
export type ArgumentsForm =
  /** A JSON object. */
  | 'json'
  /** `<parameter=key>\nvalue\n</parameter>\n` for each: a string bare, all else JSON. */
  | 'xml-parameters'
  /** `<arg_key>key</arg_key>\n<arg_value>value</arg_value>\n` for each: a string bare, all else JSON. */
  | 'arg-pairs'
  /** `key=literal, key=literal` of Python. */
  | 'python-keywords'
  /** `{key:value,key:value}`, keys bare, strings between `<|"|>`, all else as in JSON. */
  | 'gemma';

/** All forms, for whoever checks one. */
export const ARGUMENTS_FORMS: { readonly [Form in ArgumentsForm]: true } = {
  json: true, 'xml-parameters': true, 'arg-pairs': true, 'python-keywords': true, gemma: true,
};
