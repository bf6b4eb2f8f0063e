/** What became of a request; nothing of what was asked or answered. */
export interface RequestRecord {
  /** As the header `x-request-id` has it. */
  readonly id: string;
  readonly method: string;
  /** Of the route, `/v1/models/:id`; undefined where there is none. */
  readonly route: string | undefined;
  /** Of the answer; 200 for a stream that failed later. */
  readonly status: number;
  /** `cancelled`: the client left, or took too long to read. */
  readonly outcome: 'done' | 'refused' | 'failed' | 'cancelled';
  /** Of the model that was asked, by its name here. */
  readonly model: string | undefined;
  /** Of the key that it came with; undefined where none is needed. */
  readonly keyId: string | undefined;
  /** What the request says of the person behind it (`user`, `safety_identifier`). */
  readonly user: string | undefined;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly completionTokens: number;
  /** From the request's arrival to its first token. */
  readonly firstTokenMs: number | undefined;
  readonly totalMs: number;
  /** What nobody foresaw, for a log: it may hold paths. */
  readonly error: unknown;
}
