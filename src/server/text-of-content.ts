type Part = { readonly text: string } | { readonly type: string };

/** What a request's content says, which is a text or parts, some of them texts: those in one. */
export function textOfContent(content: string | readonly Part[] | null | undefined): string {
  if (content === null || content === undefined) return '';
  return typeof content === 'string' ? content : content.map((part) => ('text' in part ? part.text : '')).join('');
}
