/** Macros, as values that can be called. */
import { evaluate } from './evaluate.ts';
import type { Macro } from './nodes.ts';
import { reprOf } from './printing.ts';
import { bodyScope } from './scope.ts';
import type { Run, Scope } from './scope.ts';
import { TemplateError } from './template-errors.ts';
import { asMarkup, ownText } from './template-text.ts';
import type { TemplateText } from './template-text.ts';
import { dictOf } from './dict.ts';
import type { Callable, Named, Value } from './values.ts';

type RenderBody = (body: Macro['body'], scope: Scope) => TemplateText;

/** @param renderBody gives the text of statements */
export function macroValue(macro: Macro, scope: Scope, run: Run, renderBody: RenderBody): Callable {
  const { name, parameters, takes } = macro;
  const { escaping } = run;
  const attributes = new Map<string, Value>([
    ['name', name === undefined ? null : ownText(name)],
    ['arguments', { tuple: parameters.map((parameter) => ownText(parameter.name)) }],
    ['catch_varargs', takes.varargs],
    ['catch_kwargs', takes.kwargs],
    ['caller', takes.caller],
  ]);
  return {
    name: name ?? 'caller',
    shown: `<Macro ${name === undefined ? 'anonymous' : reprOf(ownText(name), run.budget).text}>`,
    attributes,
    call(args, named) {
      const local = bodyScope(scope, macro.body, run);
      const around = run.escaping;
      run.escaping = escaping;
      bindMacro(macro, { args, named, local, run });
      const text = renderBody(macro.body, local);
      run.escaping = around;
      return run.autoescape ? asMarkup(text) : text;
    },
  };
}

interface MacroCall {
  readonly args: readonly Value[];
  readonly named: Named;
  readonly local: Scope;
  readonly run: Run;
}

function bindMacro({ name = 'caller', parameters, takes }: Macro, { args, named, local, run }: MacroCall): void {
  const { variables } = local;
  const others = new Map(named);
  const missing = parameters.filter((parameter, index) => index >= args.length && !others.has(parameter.name));
  parameters.forEach((parameter, index) => {
    variables.set(parameter.name, index < args.length ? args[index] : others.get(parameter.name));
    if (index >= args.length) others.delete(parameter.name);
  });
  // A default is a value of the macro: it may name other parameters, of which those that come after it may still be undefined.
  for (const { name: parameter, fallback } of missing) variables.set(parameter, fallback && evaluate(fallback, local, run));
  if (takes.caller && !parameters.some((parameter) => parameter.name === 'caller')) {
    variables.set('caller', others.get('caller') ?? undefined);
    others.delete('caller');
  }
  if (takes.kwargs)
    variables.set('kwargs', dictOf([...others].map(([key, value]) => [{ text: key, foreign: [0, key.length] }, value])));
  else if (others.size > 0) throw new TemplateError(`the macro "${name}" has no argument "${[...others.keys()][0]!.slice(0, 60)}"`);
  if (takes.varargs) variables.set('varargs', { tuple: args.slice(parameters.length) });
  else if (args.length > parameters.length) {
    throw new TemplateError(`the macro "${name}" takes at most ${parameters.length} arguments, but ${args.length} are given`);
  }
}
