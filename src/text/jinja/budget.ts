/** Limits on what a template may use: it is a program that came with a file. */
import { TemplateError } from './template-errors.ts';

export interface BudgetLimits {
  /** Expressions and statements evaluated, and items and text looked through. */
  readonly maxSteps: number;
  /** UTF-16 units of the longest text, the result among them. */
  readonly maxTextUnits: number;
  /** Statements and expressions inside each other, macros included. */
  readonly maxDepth: number;
}

export const DEFAULT_LIMITS: BudgetLimits = { maxSteps: 2_000_000, maxTextUnits: 32_000_000, maxDepth: 600 };

export interface Budget {
  readonly limits: BudgetLimits;
  /** Counts steps. @throws TemplateError when there have been too many */
  spend(steps: number): void;
  /** Counts looking through a text. */
  scan(units: number): void;
  /** Asks for a text of a length before it is made. */
  allowText(units: number): void;
  /** Asks for a list of a length before it is made. */
  allowItems(count: number): void;
  enter(): void;
  leave(): void;
}

/** Looking through this much text takes about as long as evaluating an expression. */
const unitsPerStep = 64;

export function createBudget(limits: BudgetLimits): Budget {
  let steps = 0;
  let depth = 0;
  const spend = (count: number): void => {
    steps += count;
    if (!(steps <= limits.maxSteps)) throw new TemplateError(`it took more than ${limits.maxSteps} steps; it may loop without end`);
  };
  return {
    limits,
    spend,
    scan: (units) => spend(1 + units / unitsPerStep),
    allowText(units) {
      if (!(units <= limits.maxTextUnits)) throw new TemplateError(`it made a text of more than ${limits.maxTextUnits} characters`);
      spend(1);
    },
    allowItems: (count) => spend(1 + count),
    enter() {
      depth++;
      if (depth > limits.maxDepth) throw new TemplateError(`it is nested more than ${limits.maxDepth} deep`);
    },
    leave() {
      depth--;
    },
  };
}
