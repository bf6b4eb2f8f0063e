/** LLaMA's vocabulary of 32,000 tokens, as the npm package llama-tokenizer-js holds it, as GGUF's keys. */
import { FormatError } from '../tensor/errors.ts';
import { bool, float32s, int32s, string, strings, uint32 } from '../tensor/gguf-value.ts';
import type { GgufMetadata } from '../tensor/gguf-value.ts';
import { TOKEN_TYPES } from './token-table.ts';

const TOKENS = 32_000;
/** Ids of what is unknown, of the beginning and the end; then a token for each byte. */
const [UNKNOWN, BOS, EOS, FIRST_BYTE] = [0, 1, 2, 3];
/** The first token that merges make. */
const FIRST_MADE = FIRST_BYTE + 256;
/** Spaces, which are made last. */
const SPACES = /^\u2581+$/;
const LAST_SCORE = -1e9;

/**
 * @param source text of llama-tokenizer.js, of which the list of tokens is read; nothing of it is run
 * @param extra tokens behind the 32,000, which are never part of a text
 * @throws FormatError where the list is not there or has another length
 */
export function llamaVocabulary(source: string, extra: readonly string[]): GgufMetadata {
  const base64 = /llama_vocab_base64\s*=\s*["']([A-Za-z0-9+/=]+)["']/.exec(source)?.[1] ?? '';
  const tokens = new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))).split('\n');
  if (tokens.length !== TOKENS || tokens[FIRST_BYTE] !== '<0x00>')
    throw new FormatError(`llama-tokenizer.js: expected a list of ${TOKENS} tokens, found ${tokens.length}. It is another version.`);
  const all = [...tokens, ...extra];
  return new Map([
    ['tokenizer.ggml.model', string('llama')],
    ['tokenizer.ggml.pre', string('default')],
    ['tokenizer.ggml.tokens', strings(all)],
    // Tokens lie in the order in which merges make them.
    ['tokenizer.ggml.scores', float32s(all.map(scoreOf))],
    ['tokenizer.ggml.token_type', int32s(all.map((_, id) => typeOf(id)))],
    ['tokenizer.ggml.bos_token_id', uint32(BOS)],
    ['tokenizer.ggml.eos_token_id', uint32(EOS)],
    ['tokenizer.ggml.unknown_token_id', uint32(UNKNOWN)],
    ['tokenizer.ggml.add_bos_token', bool(true)],
    ['tokenizer.ggml.add_eos_token', bool(false)],
  ]);
}

function scoreOf(token: string, id: number): number {
  if (id < FIRST_MADE || id >= TOKENS) return 0;
  return SPACES.test(token) ? LAST_SCORE : FIRST_MADE - id;
}

function typeOf(id: number): number {
  if (id === UNKNOWN) return TOKEN_TYPES.unknown;
  if (id === BOS || id === EOS || id >= TOKENS) return TOKEN_TYPES.control;
  return id < FIRST_MADE ? TOKEN_TYPES.byte : TOKEN_TYPES.normal;
}
