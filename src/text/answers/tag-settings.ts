/** The tags between which the arguments of calls stand. */

export interface TagSettings {
  /** Before a value's key, between key and value, and after the value. */
  readonly key: string;
  readonly keyEnd: string;
  /** Opens the value, where the key's end does not. */
  readonly value?: string | undefined;
  readonly valueEnd: string;
  /** A line break before and after the value is not part of it. */
  readonly hasLines: boolean;
}

export const QWEN_TAGS: TagSettings = { key: '<parameter=', keyEnd: '>', valueEnd: '</parameter>', hasLines: true };
export const GLM_TAGS: TagSettings = {
  key: '<arg_key>', keyEnd: '</arg_key>', value: '<arg_value>', valueEnd: '</arg_value>', hasLines: false,
};
