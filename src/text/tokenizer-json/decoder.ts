/**
 * The `decoder` of a tokenizer.json, as stages that take tokens one by one, so that text comes out as it is generated.
 * A stage that makes one token of many (Fuse, ByteLevel) lets it grow; stages behind it follow as far as they can, and
 * else wait for its end. What comes out in pieces is what decoding all tokens at once gives.
 */
import { bytesOfAlphabetText } from '../../tensor/byte-alphabet.ts';
import type { JsonValue } from '../../tensor/checkpoint.ts';
import { FormatError } from '../../tensor/errors.ts';
import { nestedFields } from '../../tensor/json-fields.ts';
import type { JsonFields } from '../../tensor/json-fields.ts';
import { readMetaspace } from './metaspace.ts';
import { replace } from './normalizer.ts';
import { readPattern } from './pattern-field.ts';
import { wholeText } from './text-piece.ts';

/** Takes tokens in order. */
export interface TokenSink {
  /** A whole token. */
  token(text: string): void;
  /** Begins a token that grows; it ends with the next call but `grow`. */
  begin(): void;
  grow(text: string): void;
  end(): void;
}

export interface DecodeStart {
  /** The first token begins a text, rather than continuing one. */
  readonly atStart: boolean;
}

/** Makes a stage that passes on what it makes. */
export type Decoder = (next: TokenSink, start: DecodeStart) => TokenSink;

const types = ['BPEDecoder', 'ByteLevel', 'WordPiece', 'Metaspace', 'CTC', 'Sequence', 'Replace', 'Fuse', 'Strip', 'ByteFallback'] as const;

/** @throws FormatError for a kind that is not known or a field that is wrong */
export function readDecoder(value: JsonValue | undefined, where: string, depth = 0): Decoder {
  const fields = nestedFields(value, where, depth);
  if (fields === undefined) return spaced;
  const decoder = build(fields, depth);
  fields.end();
  return decoder;
}

function build(fields: JsonFields, depth: number): Decoder {
  const type = fields.oneOf('type', types);
  switch (type) {
    case 'BPEDecoder':
      return wordEnds(fields.text('suffix'));
    case 'ByteLevel':
      fields.ignore('add_prefix_space', 'trim_offsets', 'use_regex');
      return byteLevel;
    case 'WordPiece':
      return wordPiece(fields.text('prefix'), fields.flag('cleanup'));
    case 'Metaspace':
      return metaspace(fields);
    case 'CTC':
      return ctc(fields);
    case 'Sequence': {
      const steps = fields.list('decoders').map((step, index) => readStep(step, `${fields.where}.decoders[${index}]`, depth + 1));
      return (next, start) => steps.reduceRight((sink, step) => step(sink, start), next);
    }
    case 'Replace':
      return replaced(fields);
    case 'Fuse':
      return fuse;
    case 'Strip':
      return strip(fields);
    case 'ByteFallback':
      return byteFallback;
    default:
      return type satisfies never;
  }
}

function readStep(value: JsonValue, where: string, depth: number): Decoder {
  if (value === null) throw new FormatError(`${where}: expected a decoder, found null.`);
  return readDecoder(value, where, depth);
}

/** Without a decoder, tokens are joined by spaces. */
const spaced: Decoder = (next, { atStart }) => {
  let isFirst = atStart;
  return wholeTokens(next, (token) => {
    next.token(isFirst ? token : ` ${token}`);
    isFirst = false;
  });
};

/** A stage that needs whole tokens: one that grows is kept until it ends. */
function wholeTokens(next: TokenSink, take: (token: string) => void, end: () => void = () => undefined): TokenSink {
  let grown: string[] | undefined;
  const finish = (): void => {
    if (grown === undefined) return;
    const token = grown.join('');
    grown = undefined;
    take(token);
  };
  return {
    token(text) {
      finish();
      take(text);
    },
    begin() {
      finish();
      grown = [];
    },
    grow: (text) => void grown?.push(text),
    end() {
      finish();
      end();
      next.end();
    },
  };
}

const fuse: Decoder = (next) => {
  let hasBegun = false;
  const add = (text: string): void => {
    if (!hasBegun) next.begin();
    hasBegun = true;
    next.grow(text);
  };
  return {
    token: add,
    begin: () => undefined,
    grow: add,
    end() {
      add('');
      next.end();
    },
  };
};

const byteLevel: Decoder = (next, start) => {
  const utf8 = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const fused = fuse(next, start);
  return wholeTokens(
    fused,
    (token) => fused.token(decoder.decode(bytesOfAlphabetText(token) ?? utf8.encode(token), { stream: true })),
    () => fused.token(decoder.decode()),
  );
};

const byteToken = /^<0x([0-9A-Fa-f]{2})>$/;
const signedByteToken = /^<0x\+([0-9A-Fa-f])>$/;

/** A run of byte tokens is kept until it ends: only then is it known to be UTF-8, or U+FFFD for each of its bytes. */
const byteFallback: Decoder = (next) => {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
  let bytes: number[] = [];
  const finish = (): void => {
    if (bytes.length === 0) return;
    const run = Uint8Array.from(bytes);
    bytes = [];
    const text = decodeOrUndefined(decoder, run);
    if (text !== undefined) next.token(text);
    else for (let count = 0; count < run.length; count++) next.token('\ufffd');
  };
  return wholeTokens(
    next,
    (token) => {
      const hex = (byteToken.exec(token) ?? signedByteToken.exec(token))?.[1];
      if (hex !== undefined) {
        bytes.push(Number.parseInt(hex, 16));
        return;
      }
      finish();
      next.token(token);
    },
    finish,
  );
};

function decodeOrUndefined(decoder: TextDecoder, bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined; // not UTF-8
  }
}

function metaspace(fields: JsonFields): Decoder {
  const { replacement, scheme } = readMetaspace(fields);
  return (next, { atStart }) => {
    let isFirst = atStart;
    return wholeTokens(next, (token) => {
      next.token(token.replaceAll(replacement, isFirst && scheme !== 'never' ? '' : ' '));
      isFirst = false;
    });
  };
}

const cleanups: readonly (readonly [string, string])[] = [
  [' .', '.'], [' ?', '?'], [' !', '!'], [' ,', ','], [" ' ", "'"], [" n't", "n't"], [" 'm", "'m"], [' do not', " don't"],
  [" 's", "'s"], [" 've", "'ve"], [" 're", "'re"],
];

function cleanUp(text: string): string {
  return cleanups.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
}

function wordPiece(prefix: string, cleanup: boolean): Decoder {
  return (next, { atStart }) => {
    let isFirst = atStart;
    return wholeTokens(next, (token) => {
      const joined = isFirst ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      isFirst = false;
      next.token(cleanup ? cleanUp(joined) : joined);
    });
  };
}

/** A suffix marks the ends of words; it becomes a space, but at the end nothing. */
function wordEnds(suffix: string): Decoder {
  return (next) => {
    let last: string | undefined;
    const write = (replacement: string): void => {
      if (last !== undefined) next.token(last.replaceAll(suffix, replacement));
    };
    return wholeTokens(
      next,
      (token) => {
        write(' ');
        last = token;
      },
      () => write(''),
    );
  };
}

function ctc(fields: JsonFields): Decoder {
  const pad = fields.text('pad_token');
  const delimiter = fields.text('word_delimiter_token');
  const cleanup = fields.flag('cleanup');
  return (next) => {
    let previous: string | undefined;
    return wholeTokens(next, (token) => {
      if (token === previous) return;
      previous = token;
      const padless = token.replaceAll(pad, '');
      const text = cleanup ? cleanUp(padless).replaceAll(delimiter, ' ') : padless;
      if (text !== '') next.token(text);
    });
  };
}

function replaced(fields: JsonFields): Decoder {
  const change = replace(readPattern(fields), fields.text('content'));
  return (next) => wholeTokens(next, (token) => next.token(change(wholeText(token)).text));
}

function strip(fields: JsonFields): Decoder {
  const content = fields.text('content');
  if (Array.from(content).length !== 1) fields.fail('content', 'one character');
  const start = fields.count('start');
  const stop = fields.count('stop');
  return (next, { atStart }) => {
    // A token that grows goes on as it comes, but for its start and for what may yet be its end.
    let toStrip = 0;
    let held: string | undefined;
    const grow = (text: string): void => {
      let from = 0;
      while (toStrip > 0 && text.startsWith(content, from)) {
        from += content.length;
        toStrip--;
      }
      if (from < text.length) toStrip = 0;
      const all = (held ?? '') + text.slice(from);
      const end = all.length - trailingLength(all, content, stop);
      held = all.slice(end);
      next.grow(all.slice(0, end));
    };
    const finish = (): void => {
      held = undefined;
    };
    let isFirst = true;
    const cut = (token: string, starts: number): string => {
      let from = 0;
      for (let count = 0; count < starts && token.startsWith(content, from); count++) from += content.length;
      return token.slice(from, Math.max(from, token.length - trailingLength(token, content, stop)));
    };
    return {
      token(text) {
        finish();
        isFirst = false;
        next.token(cut(text, start));
      },
      begin() {
        finish();
        // Of a text that goes on, the start lies before.
        toStrip = isFirst && !atStart ? 0 : start;
        isFirst = false;
        held = '';
        next.begin();
      },
      grow,
      end() {
        finish();
        next.end();
      },
    };
  };
}

/** Length of what `content` up to `count` times makes at the end of a text. */
function trailingLength(text: string, content: string, count: number): number {
  let length = 0;
  for (let found = 0; found < count && length < text.length; found++) {
    if (!text.endsWith(content, text.length - length)) break;
    length += content.length;
  }
  return length;
}
