import type { JsonValue } from '../../tensor/checkpoint.ts';
import type { CharDfa, GrammarNode } from './grammar-node.ts';
import type { ValueTexts } from './json-texts.ts';
import type { SchemaPlace } from './schema-facts.ts';

/** What the parts of a schema's grammar need of each other. */
export interface SchemaBuilder {
  readonly texts: ValueTexts;
  readonly isStrict: boolean;
  /** What is valid by all of these, as a rule. */
  value(places: readonly SchemaPlace[]): GrammarNode;
  /** As {@link value}, of a member: `name` is undefined where only an automaton knows it. */
  memberValue(name: string | undefined, places: readonly SchemaPlace[]): GrammarNode;
  constant(value: JsonValue, path: string): GrammarNode;
  /** Texts of strings that are valid by all of these. */
  stringTexts(places: readonly SchemaPlace[]): CharDfa;
  /** All values that there are, where they are few by `enum`, `const` or type. */
  fewValues(places: readonly SchemaPlace[]): readonly JsonValue[] | undefined;
  /** Whether a node has any text, as far as rules are known to be whole. */
  hasTexts(node: GrammarNode): boolean;
}
