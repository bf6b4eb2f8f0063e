/** Macros, as values that can be called. */
import { evaluate } from './evaluate.ts';
import type { Macro } from './nodes.ts';
import { childScope } from './scope.ts';
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
  const attributes = new Map<string, Value>([
    ['name', ownText(name)],
    ['arguments', { tuple: parameters.map((parameter) => ownText(parameter.name)) }],
    ['catch_varargs', takes.varargs],
    ['catch_kwargs', takes.kwargs],
    ['caller', takes.caller],
  ]);
  return {
    name,
    shown: `<Macro ${name === 'caller' ? 'anonymous' : `'${name}'`}>`,
    attributes: name === 'caller' ? attributes.set('name', null) : attributes,
    call(args, named) {
      const local = childScope(scope);
      bindMacro(macro, { args, named, local, run });
      const text = renderBody(macro.body, local);
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

function bindMacro({ name, parameters, takes }: Macro, { args, named, local, run }: MacroCall): void {
  const { variables } = local;
  const others = new Map(named);
  parameters.forEach((parameter, index) => {
    const isGiven = index < args.length || others.has(parameter.name);
    const given = index < args.length ? args[index] : others.get(parameter.name);
    if (index >= args.length) others.delete(parameter.name);
    // A default is a value of the macro, so that it may name the parameters before it.
    variables.set(parameter.name, isGiven ? given : parameter.fallback && evaluate(parameter.fallback, local, run));
  });
  const isParameter = (special: string): boolean => parameters.some((parameter) => parameter.name === special);
  if (takes.caller && !isParameter('caller')) {
    variables.set('caller', others.get('caller'));
    others.delete('caller');
  }
  if (takes.kwargs && !isParameter('kwargs'))
    variables.set('kwargs', dictOf([...others].map(([key, value]) => [{ text: key, foreign: [0, key.length] }, value])));
  else if (others.size > 0) throw new TemplateError(`the macro "${name}" has no argument "${[...others.keys()][0]!.slice(0, 60)}"`);
  if (takes.varargs && !isParameter('varargs')) variables.set('varargs', { tuple: args.slice(parameters.length) });
  else if (args.length > parameters.length) {
    throw new TemplateError(`the macro "${name}" takes at most ${parameters.length} arguments, but ${args.length} are given`);
  }
}
