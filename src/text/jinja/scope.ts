/** Where a template's names are looked up, and what all of its run shares. */
import type { Budget } from './budget.ts';
import type { KnownNames, Template } from './nodes.ts';
import type { Value } from './values.ts';

/** What filters, tests and methods may ask of the run. */
export interface RunContext {
  readonly budget: Budget;
  readonly known: KnownNames;
  /** Inside of `{% autoescape true %}`. */
  autoescape: boolean;
  /** Whether `~` makes markup there: only where the statement has a constant, as in jinja2. */
  joinsMarkup: boolean;
}

export interface Run extends RunContext {
  readonly template: Template;
  /** The template's own top-level variables. */
  readonly top: Scope;
}

export interface Scope {
  readonly variables: Map<string, Value>;
  readonly parent: Scope | undefined;
}

export function childScope(parent: Scope | undefined, variables: Map<string, Value> = new Map()): Scope {
  return { variables, parent };
}

export function lookup(scope: Scope, name: string): Value {
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.variables.has(name)) return at.variables.get(name);
  }
  return undefined;
}
