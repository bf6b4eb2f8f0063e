/** How a chat template is asked to let a model think, or not. */

/** What stands in a template's statements and expressions, without its comments and texts. */
function codeOf(source: string): string {
  return (source.match(/\{%.*?%\}|\{\{.*?\}\}/gsu) ?? []).join('\n');
}

/** The variable by which a model's templates let it think, or not; undefined where they have no such switch. */
export function reasoningSwitchOf(sources: Iterable<string>): string | undefined {
  const code = [...sources].map(codeOf).join('\n');
  if (/\benable_thinking\b/u.test(code)) return 'enable_thinking';
  // Granite's; a message's field of this name is another thing.
  return /(?<![.\w'"])thinking(?![\w'"])/u.test(code) ? 'thinking' : undefined;
}
