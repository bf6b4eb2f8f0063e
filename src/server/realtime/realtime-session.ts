/** A session of `/v1/realtime`: takes its client's events in order, tells what the talker tells, and frees all when it is over. */
import type { Talker } from '../../engine/talk/live/talker.ts';
import { InputError } from '../../tensor/errors.ts';
import type { ServerSocket, ServerSocketReader } from '../api.ts';
import type { Call } from '../call.ts';
import { Failure, failureOf, invalid, Stopped } from '../failure.ts';
import { eventIdOf, parseEvent, readEvent } from './client-events.ts';
import { newId } from './new-id.ts';
import { createOutbox } from './outbox.ts';
import { createAnswers } from './session-answers.ts';
import { COMMANDS, tellSession } from './session-commands.ts';
import type { SessionParts } from './session-commands.ts';
import { firstConfig, sessionSettings } from './session-config.ts';
import type { SessionAbilities } from './session-config.ts';
import { errorEvent, tellTalkEvent } from './talk-events.ts';
import type { HeardTurns } from './talk-events.ts';
import { createToldItems } from './told-items.ts';

export interface SessionOptions {
  readonly call: Call;
  readonly talker: Talker;
  readonly abilities: SessionAbilities;
  readonly socket: ServerSocket;
}

/** Characters of events that wait for those before them: then the socket is not read on. */
const MOST_WAITING = 4 << 20;

/** RFC 6455. */
const CLOSE = { normal: 1000, going: 1001, unsupported: 1003, policy: 1008, failed: 1011 } as const;

type Ending = readonly [code: number, failure: Failure | undefined];

class RealtimeSession implements ServerSocketReader {
  readonly #options: SessionOptions;
  readonly #parts: SessionParts;
  readonly #turns: HeardTurns = { ended: new Set(), seconds: new Map() };
  readonly #waiting: string[] = [];
  readonly #timers: { readonly whole: ReturnType<typeof setTimeout>; idle: ReturnType<typeof setTimeout> | undefined };
  #waitingLength = 0;
  #isPaused = false;
  #isWorking = false;
  #isOver = false;
  #isDraining = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    const { call, talker, abilities, socket } = options;
    const { limits, sessions } = call.state;
    const config = firstConfig(abilities);
    const out = createOutbox({
      socket, stallMs: limits.stallMs, onStall: () => this.#end([CLOSE.policy, undefined], new Stopped('stall')),
    });
    const items = createToldItems();
    const talk = talker.open(sessionSettings(config, abilities, { most: limits.outputTokens }));
    const answers = createAnswers({ call, talk, out, items, abilities, conversationId: newId('item').replace('item', 'conv') });
    const about = { id: newId('sess'), expires_at: Math.floor((Date.now() + limits.sessionMs) / 1000) };
    this.#parts = { call, talk, out, items, answers, abilities, about, config, given: new Map(), bufferedMs: 0 };
    this.#timers = { whole: setTimeout(() => this.#expire(), limits.sessionMs), idle: undefined };
    this.#heardOf();
    sessions.add(this);
    call.signal.addEventListener('abort', () => this.#stopped(call.signal.reason as unknown), { once: true });
    tellSession('session.created', this.#parts);
    void this.#tell();
  }

  message(data: string | Uint8Array): void {
    if (this.#isOver) return;
    this.#heardOf();
    if (typeof data !== 'string')
      return this.#refuse(invalid('Events are text messages of JSON; binary ones are not read.', { code: 'invalid_event' }), null);
    this.#waiting.push(data);
    this.#waitingLength += data.length;
    if (!this.#isPaused && this.#waitingLength > MOST_WAITING) {
      this.#isPaused = true;
      this.#options.socket.pause();
    }
    if (!this.#isWorking) void this.#work();
  }

  closed(): void {
    this.#end([CLOSE.normal, undefined], new Stopped('client'));
  }

  /** Ends when no answer is being given. */
  drain(): void {
    this.#isDraining = true;
    if (!this.#parts.answers.isActive) this.#stopped(new Stopped('drain'));
  }

  #heardOf(): void {
    clearTimeout(this.#timers.idle);
    const { sessionIdleMs } = this.#options.call.state.limits;
    const failure = new Failure(`Nothing was sent for ${sessionIdleMs} ms.`, { status: 408, code: 'session_idle' });
    this.#timers.idle = setTimeout(() => this.#end([CLOSE.normal, failure]), sessionIdleMs);
  }

  #expire(): void {
    const { sessionMs } = this.#options.call.state.limits;
    const message = `The session is over: it may take ${sessionMs} ms.`;
    this.#end([CLOSE.normal, new Failure(message, { status: 408, code: 'session_expired' })]);
  }

  /** From outside: the key was revoked, or the server stops. */
  #stopped(reason: unknown): void {
    const by = reason instanceof Stopped ? reason.by : 'drain';
    const code = by === 'revocation' ? CLOSE.policy : by === 'drain' ? CLOSE.going : CLOSE.normal;
    this.#end([code, by === 'client' ? undefined : failureOf(reason)], reason);
  }

  #refuse(error: unknown, eventId: string | null): void {
    this.#parts.out.send(errorEvent(this.#failureOf(error), eventId));
  }

  /** What the talker refuses is the client's, in its own words. */
  #failureOf(error: unknown): Failure {
    return error instanceof InputError ? invalid(error.message, { code: 'invalid_value' }) : failureOf(error);
  }

  /** One event after another, in their order. */
  async #work(): Promise<void> {
    this.#isWorking = true;
    for (let text = this.#waiting.shift(); text !== undefined && !this.#isOver; text = this.#waiting.shift()) {
      await this.#do(text);
      // Answers to events are bounded as well: who reads nothing is not listened to.
      await this.#parts.out.ready();
      this.#waitingLength -= text.length;
      if (this.#isPaused && this.#waitingLength <= MOST_WAITING / 2) {
        this.#isPaused = false;
        this.#options.socket.resume();
      }
    }
    this.#isWorking = false;
  }

  async #do(text: string): Promise<void> {
    let eventId: string | null = null;
    try {
      const value = parseEvent(text);
      eventId = eventIdOf(value);
      const event = readEvent(value);
      await COMMANDS[event.type]!(this.#parts, event);
    } catch (error) {
      if (!this.#isOver) this.#refuse(error, eventId);
    }
  }

  /** What the talker tells, as fast as the client takes it. */
  async #tell(): Promise<void> {
    const { talk, out, answers } = this.#parts;
    try {
      for await (const event of talk.events()) {
        if (this.#isOver) return;
        tellTalkEvent(this.#parts, this.#turns, event);
        if (this.#isDraining && !answers.isActive) return this.#stopped(new Stopped('drain'));
        await out.ready();
      }
    } catch (error) {
      this.#end([CLOSE.failed, this.#failureOf(error)], error);
    }
  }

  /** Once. */
  #end([code, failure]: Ending, error: unknown = failure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { call, talker, socket } = this.#options;
    const { talk, out, answers } = this.#parts;
    clearTimeout(this.#timers.whole);
    clearTimeout(this.#timers.idle);
    this.#waiting.length = 0;
    if (failure !== undefined) out.send(errorEvent(failure, null));
    out.end();
    answers.end();
    const isStalled = error instanceof Stopped && error.by === 'stall';
    if (isStalled) socket.terminate();
    else socket.close(code, (failure?.code ?? '').slice(0, 100));
    if (error instanceof Stopped) call.stop(error.by);
    call.state.sessions.delete(this);
    // What the talker's models still do ends before they are let go.
    const freed = talk.close().then(() => talker.dispose()).catch(() => {});
    void freed.then(() => call.end(200, code === CLOSE.failed ? error : undefined)).catch(() => {});
  }
}

/** Begins a session on a socket that is open. */
export function openSession(options: SessionOptions): ServerSocketReader {
  return new RealtimeSession(options);
}
