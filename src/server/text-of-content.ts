/** What a request's content says, which is a text or parts with texts: those of its parts in one. */
export function textOfContent(content: string | readonly { readonly text: string }[] | null | undefined): string {
  if (content === null || content === undefined) return '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}
