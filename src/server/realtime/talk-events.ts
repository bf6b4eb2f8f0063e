/** What a talker's session tells, as the events of OpenAI's reference. */
import type { TalkItem, TalkSessionEvent } from '../../engine/talk/live/talker.ts';
import { Failure, failureOf } from '../failure.ts';
import type { SessionParts } from './session-commands.ts';
import { heardItemJson, withTranscript } from './told-items.ts';

/** What is told of the sound that comes, by its item. */
export interface HeardTurns {
  /** Turns that a pause has ended. */
  readonly ended: Set<string>;
  /** Seconds of turns that were committed and not heard yet. */
  readonly seconds: Map<string, number>;
}

function tellItem({ out, items, given }: SessionParts, item: TalkItem): void {
  const waiting = given.get(item.id);
  given.delete(item.id);
  const told = waiting?.item ?? heardItemJson(item);
  const event = { previous_item_id: items.put(told, waiting?.after), item: told };
  out.send({ type: 'conversation.item.added', ...event });
  out.send({ type: 'conversation.item.done', ...event });
}

/** The text of a sound, where the client asked for such. */
function tellTranscript(
  { out, items, config }: SessionParts, { itemId, text }: { readonly itemId: string; readonly text: string }, seconds: number,
): void {
  if (items.has(itemId)) items.put(withTranscript(items.get(itemId), text));
  if (config.transcription === undefined) return;
  const of = { item_id: itemId, content_index: 0 };
  if (text !== '') out.send({ type: 'conversation.item.input_audio_transcription.delta', ...of, delta: text });
  out.send({
    type: 'conversation.item.input_audio_transcription.completed', ...of, transcript: text, usage: { type: 'duration', seconds },
  });
}

function tellDeaf({ out }: SessionParts, itemId: string, error: unknown): void {
  const { type, code, message, param } = failureOf(error);
  out.send({
    type: 'conversation.item.input_audio_transcription.failed', item_id: itemId, content_index: 0,
    error: { type, code: code ?? null, message, param: param ?? null },
  });
}

/** A turn that a pause has ended is answered by itself, where the client wants that. */
function answerTurn({ answers, config, out }: SessionParts): void {
  if (config.isTranscription || config.turns?.create_response !== true) return;
  answers.ask({ config, isWaiting: true }).catch((error: unknown) => out.send(errorEvent(failureOf(error), null)));
}

export function errorEvent({ type, code, message, param }: Failure, eventId: string | null) {
  return { type: 'error', error: { type, code: code ?? null, message, param: param ?? null, event_id: eventId } };
}

/** Tells one event. */
export function tellTalkEvent(session: SessionParts, turns: HeardTurns, event: TalkSessionEvent): void {
  const { out, items } = session;
  switch (event.kind) {
    case 'speech-started':
      return out.send({ type: 'input_audio_buffer.speech_started', audio_start_ms: Math.round(event.startMs), item_id: event.itemId });
    case 'speech-stopped':
      turns.ended.add(event.itemId);
      return out.send({ type: 'input_audio_buffer.speech_stopped', audio_end_ms: Math.round(event.endMs), item_id: event.itemId });
    case 'committed': {
      turns.seconds.set(event.itemId, (event.endMs - event.startMs) / 1000);
      out.send({ type: 'input_audio_buffer.committed', item_id: event.itemId, previous_item_id: items.last });
      if (turns.ended.delete(event.itemId)) answerTurn(session);
      return;
    }
    case 'item-added':
      // Answers are told by their responses.
      return event.item.role === 'assistant' && !session.given.has(event.item.id) ? undefined : tellItem(session, event.item);
    case 'input-text': {
      if (!event.isFinal) return;
      const seconds = turns.seconds.get(event.itemId) ?? 0;
      turns.seconds.delete(event.itemId);
      return tellTranscript(session, event, seconds);
    }
    case 'input-failed':
      turns.seconds.delete(event.itemId);
      return tellDeaf(session, event.itemId, event.error);
    case 'truncated':
      if (items.has(event.itemId)) items.put(withTranscript(items.get(event.itemId), event.text));
      return out.send({
        type: 'conversation.item.truncated', item_id: event.itemId, content_index: 0, audio_end_ms: Math.round(event.audioEndMs),
      });
    case 'item-removed':
      return tellRemoved(session, event.itemId);
    case 'hushed':
    case 'unhushed':
      return;
    default:
      return session.answers.take(event);
  }
}

function tellRemoved({ out, items, answers }: SessionParts, itemId: string): void {
  for (const id of [itemId, ...answers.callsOf(itemId)]) {
    if (!items.has(id)) continue;
    items.remove(id);
    out.send({ type: 'conversation.item.deleted', item_id: id });
  }
}
