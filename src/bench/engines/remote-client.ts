/** An engine that is asked and whose pieces of answers are timed as they come: a server, a page of a browser. */
import type { EngineFacts } from '../engine.ts';
import type { Arrival } from '../stream-load.ts';

export interface RemoteAnswer {
  readonly text: string;
  /** As the server counts them. */
  readonly tokens: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** In milliseconds from the request; at least one. */
  readonly arrivals: readonly Arrival[];
  /** Whether the model ended it. */
  readonly hasEnded: boolean;
  /** Milliseconds of decoding by the server's own clock, where it tells. */
  readonly decodeMs?: number | undefined;
  /** What a server says of itself with it. */
  readonly fingerprint?: string | undefined;
}

export interface ChatMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface ChatOptions {
  readonly maxTokens: number;
  /** JSON Schema of the answer. */
  readonly schema?: object | undefined;
}

export interface RemoteClient {
  readonly facts: EngineFacts;
  /** A prompt that begins as none before it did. */
  complete(ids: readonly number[], maxTokens: number): Promise<RemoteAnswer>;
  chat(messages: readonly ChatMessage[], options: ChatOptions): Promise<RemoteAnswer>;
  /** A word for each id: about a token each. */
  words(ids: readonly number[]): string;
  /** A number that no call gave before. */
  next(): number;
  /** Of what was opened for it. */
  close?(): Promise<void>;
}

/** Common words of one token in most vocabularies. */
const WORDS = (
  'time year people way day man thing woman life child world school state family student group country problem hand part place case week ' +
  'company system program question work government number night point home water room mother area money story fact month lot right study ' +
  'book eye job word business issue side kind head house service friend father power hour game line end member law car city community name'
).split(' ');

/** A word for each id: about a token each. */
export const wordsOf = (ids: readonly number[]) => ids.map((id) => WORDS[id % WORDS.length]).join(' ');
