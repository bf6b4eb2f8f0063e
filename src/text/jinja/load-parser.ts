/** Statements that read another template. They parse, so that a branch that never runs does no harm; there is nothing to read. */
import { parseExpression } from './expression-parser.ts';
import type { Statement } from './nodes.ts';
import { expect, fail, following, isAt, isAtName, isToken, skip } from './token-stream.ts';
import type { TokenStream } from './token-stream.ts';

export type LoadStatement = 'include' | 'import' | 'from' | 'extends';

export function parseLoad(stream: TokenStream, statement: LoadStatement, line: number): Statement {
  parseExpression(stream);
  if (statement === 'include') {
    if (isAtName(stream, 'ignore') && isToken(following(stream), 'name', 'missing')) stream.at += 2;
  } else if (statement === 'import') {
    expect(stream, 'name', 'as');
    expect(stream, 'name');
  } else if (statement === 'from') {
    expect(stream, 'name', 'import');
    parseImportedNames(stream);
  }
  if (statement !== 'extends') skipContext(stream);
  return { kind: 'load', line, statement };
}

function skipContext(stream: TokenStream): boolean {
  const isContext = isAtName(stream, 'with', 'without') && isToken(following(stream), 'name', 'context');
  if (isContext) stream.at += 2;
  return isContext;
}

function parseImportedNames(stream: TokenStream): void {
  for (let count = 0; count === 0 || skip(stream, 'operator', ','); count++) {
    if (!isAt(stream, 'name')) expect(stream, 'name');
    if (skipContext(stream)) return;
    const { value, line } = expect(stream, 'name');
    if (value.startsWith('_')) fail(stream, 'names that start with an underscore cannot be imported', line);
    if (skip(stream, 'name', 'as')) expect(stream, 'name');
  }
}
