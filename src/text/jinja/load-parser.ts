/** Statements that read another template. They parse, so that a branch that never runs does no harm; there is nothing to read. */
import { parseExpression } from './expression-parser.ts';
import type { Statement } from './nodes.ts';
import { expect, fail, following, isAt, isAtName, isToken, skip } from './token-stream.ts';
import type { TokenStream } from './token-stream.ts';

export type LoadStatement = 'include' | 'import' | 'from' | 'extends';

export function parseLoad(stream: TokenStream, statement: LoadStatement, line: number): Statement {
  const template = parseExpression(stream);
  let targets: readonly string[] = [];
  if (statement === 'include') {
    if (isAtName(stream, 'ignore') && isToken(following(stream), 'name', 'missing')) stream.at += 2;
  } else if (statement === 'import') {
    expect(stream, 'name', 'as');
    targets = [expect(stream, 'name').value];
  } else if (statement === 'from') {
    expect(stream, 'name', 'import');
    targets = parseImportedNames(stream);
  }
  if (statement !== 'extends') skipContext(stream);
  return { kind: 'load', line, statement, template, targets };
}

function skipContext(stream: TokenStream): boolean {
  const isContext = isAtName(stream, 'with', 'without') && isToken(following(stream), 'name', 'context');
  if (isContext) stream.at += 2;
  return isContext;
}

function parseImportedNames(stream: TokenStream): string[] {
  const targets: string[] = [];
  for (let count = 0; count === 0 || skip(stream, 'operator', ','); count++) {
    if (!isAt(stream, 'name')) expect(stream, 'name');
    if (skipContext(stream)) return targets;
    const { value, line } = expect(stream, 'name');
    if (value.startsWith('_')) fail(stream, 'names that start with an underscore cannot be imported', line);
    targets.push(skip(stream, 'name', 'as') ? expect(stream, 'name').value : value);
  }
  return targets;
}
