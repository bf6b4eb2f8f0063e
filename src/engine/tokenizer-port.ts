/** What the engine needs of a tokenizer. */
export interface Tokenizer {
  encode(text: string, options?: { readonly addSpecial?: boolean; readonly parseSpecial?: boolean }): number[];
  decode(ids: ArrayLike<number>): string;
}
