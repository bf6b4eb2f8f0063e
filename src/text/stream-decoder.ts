/** Token ids to text as they come, in pieces that never split a UTF-8 character. */

export interface StreamDecoderOptions {
  /** Leaves out control and unknown tokens; false by default. */
  readonly skipSpecial?: boolean | undefined;
  /** The first id begins a text (rather than continuing one): a space that encoding added there is dropped. */
  readonly atStart?: boolean | undefined;
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
  readonly stripLeadingSpace: boolean;
}

const space = 0x20;

export function createStreamDecoder(source: TokenByteSource, options: StreamDecoderOptions): StreamDecoder {
  const { skipSpecial = false, atStart = false } = options;
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  let dropSpace = atStart && source.stripLeadingSpace;
  return {
    push(id) {
      if (source.isSpecial(id)) return skipSpecial ? '' : utf8.decode(source.tokenBytes(id), { stream: true });
      let bytes = source.tokenBytes(id);
      if (dropSpace && bytes.length > 0) {
        dropSpace = false;
        if (bytes[0] === space) bytes = bytes.subarray(1);
      }
      return utf8.decode(bytes, { stream: true });
    },
    flush() {
      dropSpace = atStart && source.stripLeadingSpace;
      return utf8.decode();
    },
  };
}
