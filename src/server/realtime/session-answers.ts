/** The answers of a session: each is admitted, counted and logged as a request of its own. */
import type { AnswerEnd, RespondOptions, TalkSession, TalkSessionEvent, TalkSessionUsage } from '../../engine/talk/live/talker.ts';
import type { JsonObject } from '../../tensor/checkpoint.ts';
import { countPrompt } from '../answer-counter.ts';
import { startCall } from '../call.ts';
import type { Call, OpeningCall } from '../call.ts';
import { Failure, failureOf, invalid } from '../failure.ts';
import { newId } from './new-id.ts';
import type { Outbox } from './outbox.ts';
import { beginResponse, countedTokens } from './response-writer.ts';
import type { ResponseWriter } from './response-writer.ts';
import { answerSettings } from './session-config.ts';
import type { SessionAbilities, SessionConfig } from './session-config.ts';
import type { ToldItems } from './told-items.ts';

export interface AnswersOptions {
  readonly call: Call;
  readonly talk: TalkSession;
  readonly out: Outbox;
  readonly items: ToldItems;
  readonly abilities: SessionAbilities;
  readonly conversationId: string;
}

export interface AskedAnswer {
  readonly config: SessionConfig;
  readonly metadata?: JsonObject | null;
  /** Of a turn that is answered by itself: behind an answer that still goes on. */
  readonly isWaiting: boolean;
  /** As of `TalkSession.respond`. */
  readonly items?: RespondOptions['items'];
  readonly isApart?: boolean;
}

type AnswerEvent = Extract<TalkSessionEvent, { readonly answerId: string }>;

export interface SessionAnswers {
  readonly isActive: boolean;
  /** @throws Failure where the key has nothing left, or the talker refuses */
  ask(asked: AskedAnswer): Promise<void>;
  /** @throws Failure (400) where there is no such answer */
  cancel(responseId: string | undefined): void;
  take(event: AnswerEvent): void;
  /** The session's message that a call's item is of; undefined for another item. */
  parentOf(itemId: string): CallParent | undefined;
  /** The calls of a message. */
  callsOf(itemId: string): string[];
  /** The session is over: answers that were not done are. */
  end(): void;
}

export interface CallParent {
  readonly itemId: string;
  /** Whether the message is nothing but this call. */
  readonly isAlone: boolean;
}

interface Answer {
  readonly call: OpeningCall;
  readonly asked: AskedAnswer;
  readonly timer: ReturnType<typeof setTimeout>;
  itemId: string;
  writer: ResponseWriter | undefined;
  hasText: boolean;
  isLate: boolean;
}

const REALTIME_ROUTE = '/v1/realtime';

/** Answers beside the conversation that may be asked for at a time; they are given one after another. */
const MOST_APART = 8;

/** Frames of a model that speaks itself are tokens of 80 ms. */
const FRAME_MS = 80;

class Answers implements SessionAnswers {
  readonly #options: AnswersOptions;
  /** By the talker's ids, in the order in which they were asked for. */
  readonly #answers = new Map<string, Answer>();
  readonly #parents = new Map<string, { readonly itemId: string }>();
  readonly #messages = new Map<string, { calls: number; hasText: boolean }>();
  #isAsking = false;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  get isActive(): boolean {
    return this.#isAsking || this.#answers.size > 0;
  }

  get #tokenMs(): number | undefined {
    return this.#options.abilities.info.kind === 'model' ? FRAME_MS : undefined;
  }

  async ask(asked: AskedAnswer): Promise<void> {
    if (asked.isApart === true) this.#checkApart();
    else if (!asked.isWaiting && (this.#isAsking || [...this.#answers.values()].some((answer) => answer.asked.isApart !== true)))
      throw invalid('An answer is being given: wait for response.done, or send response.cancel.', {
        code: 'conversation_already_has_active_response',
      });
    const { call: session, talk, abilities } = this.#options;
    const { state, request, holder, priority, figures } = session;
    const call = startCall({ state, request, route: REALTIME_ROUTE });
    const { instructions = null } = asked.config;
    Object.assign(call, { holder, priority, isStreaming: true, parameters: { model: abilities.model, instructions } });
    call.figures.model = figures.model;
    this.#isAsking = true;
    try {
      if (holder !== undefined) await state.access.admit(holder);
      await state.audit.check();
      call.isAdmitted = true;
      const { items, isApart } = asked;
      const id = talk.respond(answerSettings(asked.config, abilities, state.limits.outputTokens), { items, isApart });
      const timer = setTimeout(() => this.#late(id), state.limits.requestMs);
      this.#answers.set(id, { call, asked, timer, itemId: '', writer: undefined, hasText: false, isLate: false });
    } catch (error) {
      const failure = failureOf(error);
      await call.end(failure.status, failure).catch(() => {});
      throw failure;
    } finally {
      this.#isAsking = false;
    }
  }

  #late(id: string): void {
    const answer = this.#answers.get(id);
    if (answer === undefined) return;
    answer.isLate = true;
    this.#options.talk.cancel(id);
  }

  #checkApart(): void {
    if ([...this.#answers.values()].filter(({ asked }) => asked.isApart === true).length < MOST_APART) return;
    throw invalid(`${MOST_APART} answers beside the conversation are being given, the most that there may be: wait for response.done.`, {
      code: 'too_many_responses',
    });
  }

  cancel(responseId: string | undefined): void {
    const answers = [...this.#answers];
    // Without an id: the conversation's, as the reference has it, before one beside it.
    const [id] = (responseId === undefined
      ? answers.find(([, { asked }]) => asked.isApart !== true) ?? answers[0]
      : answers.find(([, { writer }]) => writer?.id === responseId)) ?? [];
    if (id === undefined)
      throw invalid('There is no such answer to be cancelled: none is being given.', {
        param: responseId === undefined ? undefined : 'response_id', code: 'response_cancel_not_active',
      });
    this.#options.talk.cancel(id);
  }

  take(event: AnswerEvent): void {
    const answer = this.#answers.get(event.answerId);
    if (answer === undefined) return;
    switch (event.kind) {
      case 'answer-started':
        return this.#begin(answer, event.itemId);
      case 'answer-text':
        this.#first(answer);
        answer.hasText = true;
        return answer.writer?.text(event.text);
      case 'answer-audio':
        this.#first(answer);
        return answer.writer?.sound(event.samples);
      case 'tool-call': {
        this.#first(answer);
        const itemId = answer.writer?.call(event.part);
        if (itemId !== undefined) this.#tookCall(answer, itemId);
        return;
      }
      case 'answer-done':
        return this.#done(event.answerId, answer, event);
      case 'answer-played':
        return;
      default:
        throw new Error(`an event of an answer is unknown: ${JSON.stringify(event satisfies never)}`);
    }
  }

  #begin(answer: Answer, itemId: string): void {
    const { out, items, conversationId, abilities, call } = this.#options;
    answer.itemId = itemId;
    const { config, metadata = null, isApart = false } = answer.asked;
    answer.writer = beginResponse({
      out, items, config, metadata, itemId, isApart, conversationId: isApart ? null : conversationId,
      sampleRate: abilities.info.sampleRate, tokenMs: this.#tokenMs,
    });
    const limits = call.holder === undefined ? [] : rateLimits(call.state.access.headersOf(call.holder));
    if (limits.length > 0) out.send({ type: 'rate_limits.updated', rate_limits: limits });
  }

  #first({ call: { figures, startedAt } }: Answer): void {
    figures.firstTokenMs ??= performance.now() - startedAt;
  }

  #tookCall(answer: Answer, itemId: string): void {
    this.#parents.set(itemId, { itemId: answer.itemId });
    const message = this.#messages.get(answer.itemId) ?? { calls: 0, hasText: false };
    message.calls++;
    this.#messages.set(answer.itemId, message);
  }

  parentOf(itemId: string): CallParent | undefined {
    const parent = this.#parents.get(itemId);
    if (parent === undefined) return undefined;
    const message = this.#messages.get(parent.itemId);
    return { itemId: parent.itemId, isAlone: message?.calls === 1 && !message.hasText };
  }

  callsOf(itemId: string): string[] {
    return [...this.#parents].flatMap(([id, parent]) => (parent.itemId === itemId ? [id] : []));
  }

  #done(id: string, answer: Answer, { usage, ...told }: AnswerEnd & { readonly usage: TalkSessionUsage }): void {
    this.#answers.delete(id);
    clearTimeout(answer.timer);
    const message = this.#messages.get(answer.itemId);
    if (message !== undefined) message.hasText = answer.hasText;
    const end: AnswerEnd = answer.isLate ? { status: 'failed', reason: 'error', error: tooLate(answer.call) } : told;
    // Refused before it began: it has no response yet, and clients wait for one.
    if (answer.writer === undefined) this.#begin(answer, newId('item'));
    answer.writer?.done(end, usage);
    this.#count(answer.call, usage, end);
  }

  #count(call: OpeningCall, usage: TalkSessionUsage, end: AnswerEnd): void {
    const { input, cached, output } = countedTokens(usage, this.#tokenMs);
    countPrompt(call, { promptTokens: input, cachedTokens: cached });
    const counts = call.state.metrics.of(call.figures.model as string);
    for (const each of [call.figures, counts]) each.completionTokens += output;
    if (end.status === 'completed' || end.status === 'incomplete') call.finishReasons.push(end.reason);
    if (end.status === 'cancelled') call.stop('client');
    const failure = end.status === 'failed' ? failureOf(end.error) : undefined;
    call.end(failure?.status ?? 200, failure).catch(() => {});
  }

  end(): void {
    for (const { call, timer } of this.#answers.values()) {
      clearTimeout(timer);
      call.stop('client');
      call.end(499).catch(() => {});
    }
    this.#answers.clear();
  }
}

export function createAnswers(options: AnswersOptions): SessionAnswers {
  return new Answers(options);
}

function tooLate({ state }: Call): Failure {
  return new Failure(`The answer took longer than ${state.limits.requestMs} ms, the most that this server gives.`, {
    status: 504, code: 'timeout',
  });
}

/** What is left of a key's minute, as headers tell it of other requests. */
function rateLimits(headers: Readonly<Record<string, string>>): object[] {
  return ['requests', 'tokens'].flatMap((name) => {
    const of = (kind: string) => headers[`x-ratelimit-${kind}-${name}`];
    if (of('limit') === undefined) return [];
    return [{ name, limit: Number(of('limit')), remaining: Number(of('remaining')), reset_seconds: Number.parseFloat(of('reset') ?? '0') }];
  });
}
