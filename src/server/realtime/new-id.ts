/** `resp_` and 20 more characters. */
export function newId(of: 'event' | 'item' | 'resp' | 'sess'): string {
  return `${of}_${crypto.randomUUID().replaceAll('-', '').slice(0, 20)}`;
}
