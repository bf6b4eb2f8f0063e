/** The syntax tree of a template. */

/** What a literal stands for. */
export type Literal = string | number | bigint | boolean | null | { readonly float: number };

export interface Arguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [name: string, value: Expression])[];
  /** `*list` */
  readonly list: Expression | undefined;
  /** `**dict` */
  readonly dict: Expression | undefined;
}

export interface Call {
  readonly kind: 'call';
  readonly callee: Expression;
  readonly args: Arguments;
}

export interface Filter {
  readonly kind: 'filter';
  /** None in a filter block: the text of the block. */
  readonly operand: Expression | undefined;
  readonly name: string;
  readonly args: Arguments;
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';
export type Arithmetic = '+' | '-' | '*' | '/' | '//' | '%' | '**';

export type Expression =
  | Call
  | Filter
  | { readonly kind: 'literal'; readonly value: Literal }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [key: Expression, value: Expression])[] }
  | { readonly kind: 'attribute'; readonly object: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly object: Expression; readonly index: Expression }
  | { readonly kind: 'slice'; readonly bounds: readonly (Expression | undefined)[] }
  | { readonly kind: 'test'; readonly operand: Expression; readonly name: string; readonly args: Arguments }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not' | 'negative' | 'positive'; readonly operand: Expression }
  | { readonly kind: 'compare'; readonly first: Expression; readonly rest: readonly (readonly [Comparison, Expression])[] }
  | { readonly kind: 'arithmetic'; readonly operator: Arithmetic; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'concat'; readonly parts: readonly Expression[] }
  | { readonly kind: 'if'; readonly test: Expression; readonly value: Expression; readonly otherwise: Expression | undefined };

export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'field'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'tuple'; readonly items: readonly Target[] };

export interface Parameter {
  readonly name: string;
  readonly fallback: Expression | undefined;
}

export interface Macro {
  /** The body of a call block has none. */
  readonly name: string | undefined;
  readonly parameters: readonly Parameter[];
  readonly body: readonly Statement[];
  /** Special names that its body reads, parameters left out: whether it takes further arguments depends on them. */
  readonly takes: { readonly varargs: boolean; readonly kwargs: boolean; readonly caller: boolean };
}

export interface ForLoop {
  readonly kind: 'for';
  readonly line: number;
  readonly target: Target;
  readonly items: Expression;
  readonly test: Expression | undefined;
  readonly recursive: boolean;
  readonly body: readonly Statement[];
  readonly otherwise: readonly Statement[];
}

export interface Block {
  readonly kind: 'block';
  readonly line: number;
  readonly name: string;
  readonly scoped: boolean;
  readonly required: boolean;
  readonly body: readonly Statement[];
}

export type Statement =
  | ForLoop
  | Block
  | { readonly kind: 'text'; readonly line: number; readonly text: string }
  | { readonly kind: 'output'; readonly line: number; readonly value: Expression }
  | {
      readonly kind: 'if';
      readonly line: number;
      readonly branches: readonly (readonly [test: Expression, body: readonly Statement[]])[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: 'set'; readonly line: number; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'set block';
      readonly line: number;
      readonly target: Target;
      readonly filter: Filter | undefined;
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'macro'; readonly line: number; readonly name: string; readonly macro: Macro }
  | { readonly kind: 'call'; readonly line: number; readonly call: Call; readonly caller: Macro }
  | { readonly kind: 'filter'; readonly line: number; readonly filter: Filter; readonly body: readonly Statement[] }
  | {
      readonly kind: 'with';
      readonly line: number;
      readonly values: readonly (readonly [Target, Expression])[];
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'autoescape'; readonly line: number; readonly value: Expression; readonly body: readonly Statement[] }
  | { readonly kind: 'generation'; readonly line: number; readonly caller: Macro }
  | { readonly kind: 'break' | 'continue'; readonly line: number }
  /** A statement that reads another template, of which there is none. */
  | {
      readonly kind: 'load';
      readonly line: number;
      readonly statement: string;
      readonly template: Expression;
      /** Names that it would set. */
      readonly targets: readonly string[];
    };

/** Filters and tests that there are. */
export interface KnownNames {
  readonly filters: ReadonlySet<string>;
  readonly tests: ReadonlySet<string>;
}

export interface Template {
  readonly body: readonly Statement[];
  readonly blocks: ReadonlyMap<string, Block>;
  /** By a body that is a scope: the names that are undefined until it sets them. */
  readonly hidden: ReadonlyMap<readonly Statement[], ReadonlySet<string>>;
  readonly known: KnownNames;
}
