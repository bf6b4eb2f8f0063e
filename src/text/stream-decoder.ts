/** Token ids to text as they come, in pieces that never split a UTF-8 character. */

export interface StreamDecoderOptions {
  /** Leaves out control and unknown tokens; false by default. */
  readonly skipSpecial?: boolean | undefined;
  /** The first id begins a text (rather than continuing one): a space that encoding added there is dropped. */
  readonly atStart?: boolean | undefined;
  /** False: the bytes of tokens as they are, where a tokenizer would take spaces out before marks (`clean_up_tokenization_spaces`). */
  readonly cleanUp?: boolean | undefined;
}

export interface StreamDecoder {
  /** The text that became whole with this token; often a word, empty inside a character. @throws InputError */
  push(id: number): string;
  /** What is left at the end: U+FFFD for an unfinished character. The decoder can then be used anew. */
  flush(): string;
}

export interface TokenByteSource {
  tokenBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
  /** Whether a space at the very start of a text is dropped, because encoding puts one there. */
  readonly stripLeadingSpace: boolean;
}

const space = 0x20;

/** For vocabularies whose tokens are bytes. */
export function createByteStreamDecoder(source: TokenByteSource, options: StreamDecoderOptions): StreamDecoder {
  const { skipSpecial = false, atStart = false } = options;
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let dropSpace = atStart && source.stripLeadingSpace;
  return {
    push(id) {
      if (skipSpecial && source.isSpecial(id)) return '';
      let bytes = source.tokenBytes(id);
      if (dropSpace && bytes.length > 0) {
        dropSpace = false;
        // A control token that is shown begins the text: the space behind it stays.
        if (bytes[0] === space && !source.isSpecial(id)) bytes = bytes.subarray(1);
      }
      return utf8.decode(bytes, { stream: true });
    },
    flush() {
      dropSpace = atStart && source.stripLeadingSpace;
      return utf8.decode();
    },
  };
}
