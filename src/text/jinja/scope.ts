/** Where a template's names are looked up, and what all of its run shares. */
import type { Budget } from './budget.ts';
import type { KnownNames, Statement, Template } from './nodes.ts';
import type { Value } from './values.ts';

/** What filters, tests and methods may ask of the run. */
export interface RunContext {
  readonly budget: Budget;
  readonly known: KnownNames;
  /** Whether filters and macros make markup: what `{% autoescape %}` around the call says as the template runs. */
  autoescape: boolean;
}

/**
 * What `{% autoescape %}` around a statement in the source says of its output, by which jinja2 compiles it: always escaped,
 * never, or, where the statement has no constant, as `autoescape` is when it runs.
 */
export type Escaping = 'always' | 'never' | 'asked';

export interface Run extends RunContext {
  readonly template: Template;
  escaping: Escaping;
  /** The template's own top-level variables. */
  readonly top: Scope;
}

export interface Scope {
  readonly variables: Map<string, Value>;
  /** Names that are undefined until they are set here. */
  readonly hidden?: ReadonlySet<string> | undefined;
  readonly parent: Scope | undefined;
}

export function childScope(parent: Scope | undefined, variables: Map<string, Value> = new Map()): Scope {
  return { variables, parent };
}

/** The scope of a body, in which names that it sets before it reads them are undefined. */
export function bodyScope(parent: Scope | undefined, body: readonly Statement[], run: Pick<Run, 'template'>): Scope {
  return { ...childScope(parent), hidden: run.template.hidden.get(body) };
}

/** What a scope and those around it have set, within the template's own variables: what a scoped block sees. */
export function flattenScope(scope: Scope, top: Scope): Scope {
  const variables = new Map<string, Value>();
  const seen = new Set<string>();
  for (let at: Scope | undefined = scope; at !== undefined && at.variables !== top.variables; at = at.parent) {
    for (const [name, value] of at.variables) if (!seen.has(name)) variables.set(name, value);
    for (const name of [...at.variables.keys(), ...(at.hidden ?? [])]) seen.add(name);
  }
  return childScope(top, variables);
}

export const escapesOutput = ({ escaping, autoescape }: Run): boolean => (escaping === 'asked' ? autoescape : escaping === 'always');

export function lookup(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.variables.has(name)) return at.variables.get(name);
    if (at.hidden?.has(name)) return undefined;
  }
  return undefined;
}
