/**
 * Its texts lie on the process's global object, since this module may be loaded twice in one process, also of another version of the
 * package: a new number where what lies there has another form.
 */
const TOLD = Symbol.for('ingot.told.1');

/** Warns of something in the process, as Node does (`--no-warnings` silences it), the first time that `text` is given. */
export function tellOnce(text: string, code: string): void {
  const holder = globalThis as { [TOLD]?: Set<string> };
  const told = (holder[TOLD] ??= new Set());
  if (told.has(text)) return;
  told.add(text);
  process.emitWarning(text, { type: 'IngotWarning', code });
}
