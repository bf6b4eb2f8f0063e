import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

let source: string | undefined;

/** The program of axe-core, to be evaluated in a page. */
export function axeSource(): string {
  source ??= readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  return source;
}
