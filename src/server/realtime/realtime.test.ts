/** Sessions by OpenAI's own client: ember answers, Moonshine hears, a small Kokoro speaks; and a small LFM2-Audio does all of it. */
import { describe, expect, it } from 'vitest';
import { base64Of, hasRealtimeModels, realtimeRig, recordedSpeech } from '../../../test/realtime-rig.ts';
import type { RealtimeClient, RealtimeEvent } from '../../../test/realtime-rig.ts';

const INSTRUCTIONS = 'You are a helpful assistant.';
const QUESTION = 'Who is Ash?';

/** Turns by commit, answers of text, always the same. */
const PLAIN = {
  type: 'realtime', instructions: INSTRUCTIONS, temperature: 0, max_output_tokens: 24, output_modalities: ['text'],
  audio: { input: { turn_detection: null } },
};

async function update(client: RealtimeClient, session: object): Promise<RealtimeEvent> {
  client.send({ type: 'session.update', session });
  return (await client.until('session.updated'))['session'];
}

const message = (text: string, role = 'user', type = 'input_text') =>
  ({ type: 'conversation.item.create', item: { type: 'message', role, content: [{ type, text }] } });

/** Asks for an answer, and waits for it. @returns its events, and the response */
async function answer(client: RealtimeClient, response?: object) {
  const from = client.events.length;
  client.send({ type: 'response.create', ...(response === undefined ? {} : { response }) });
  const done = await client.until('response.done');
  return { events: client.events.slice(from), response: done['response'] };
}

/** Sends sound as a microphone does, in pieces. */
function say(client: RealtimeClient, samples: Int16Array, pieceMs = 100): void {
  const length = 24 * pieceMs;
  for (let at = 0; at < samples.length; at += length)
    client.send({ type: 'input_audio_buffer.append', audio: base64Of(samples.subarray(at, at + length)) });
}

const joined = (events: readonly RealtimeEvent[], type: string) =>
  events.filter((event) => event.type === type).map(({ delta }) => delta as string).join('');
const types = (events: readonly RealtimeEvent[]) => events.map(({ type }) => type);

describe.skipIf(!hasRealtimeModels)('a session', () => {
  const rig = realtimeRig({ limits: { outputTokens: 60 } });

  it('begins with what it is, and is changed by session.update', async () => {
    const client = await rig.open('gpt-realtime');
    const session = client.events[0]!['session'];
    expect(session).toMatchObject({
      type: 'realtime', object: 'realtime.session', model: 'gpt-realtime', output_modalities: ['audio'], tools: [], tool_choice: 'auto',
      audio: {
        input: { format: { type: 'audio/pcm', rate: 24_000 }, transcription: null, turn_detection: { type: 'server_vad', threshold: 0.5 } },
        output: { voice: null, speed: 1 },
      },
    });
    expect(session.expires_at).toBeGreaterThan(Date.now() / 1000);
    const changed = await update(client, {
      ...PLAIN, audio: { input: { turn_detection: { type: 'server_vad', silence_duration_ms: 900 } }, output: { voice: 'af_bella',
        speed: 1.5 } },
    });
    expect(changed).toMatchObject({
      instructions: INSTRUCTIONS, output_modalities: ['text'], max_output_tokens: 24,
      audio: { input: { turn_detection: { silence_duration_ms: 900, prefix_padding_ms: 300 } }, output: { voice: 'af_bella', speed: 1.5 } },
    });
    // What is not said stays; null is off.
    const off = await update(client, { type: 'realtime', audio: { input: { turn_detection: null } } });
    expect(off).toMatchObject({ instructions: INSTRUCTIONS, audio: { input: { turn_detection: null }, output: { speed: 1.5 } } });
  });

  it('of transcription tells what was said, and answers nothing', async () => {
    const client = await rig.open();
    const session = await update(client, { type: 'transcription', audio: { input: { turn_detection: null } } });
    expect(session).toMatchObject({
      type: 'transcription', object: 'realtime.transcription_session', audio: { input: { transcription: { model: 'hear' } } },
    });
    say(client, recordedSpeech(0, 4));
    client.send({ type: 'input_audio_buffer.commit' });
    const { transcript } = await client.until('conversation.item.input_audio_transcription.completed');
    expect(transcript).toMatch(/Dublin/);
    client.send({ type: 'response.create' });
    expect((await client.until('error'))['error']).toMatchObject({
      code: 'unsupported_event', message: expect.stringMatching(/send session\.update with type realtime/),
    });
    expect(types(client.events)).not.toContain('response.created');
    client.send({ type: 'session.update', session: { type: 'transcription', instructions: 'x' } });
    expect((await client.until('error'))['error']).toMatchObject({ param: 'session.instructions' });
    expect(await update(client, { type: 'realtime' })).toMatchObject({ type: 'realtime', output_modalities: ['audio'] });
  });

  it('answers beside the conversation: other items, or its own, which stays as it is', async () => {
    const client = await rig.open();
    await update(client, PLAIN);
    client.send(message(QUESTION));
    const { item } = await client.until('conversation.item.done');
    const { response: own } = await answer(client);
    const from = client.events.length;
    const given = { type: 'message', role: 'user', content: [{ type: 'input_text', text: QUESTION }] };
    const apart = (input: object[], topic: string) =>
      client.send({ type: 'response.create', response: { conversation: 'none', input, metadata: { topic } } });
    apart([{ type: 'item_reference', id: item.id }], 'own');
    apart([given], 'other');
    const texts: string[] = [];
    for (const topic of ['own', 'other']) {
      const { response } = await client.until('response.done');
      expect(response).toMatchObject({ status: 'completed', conversation_id: null, metadata: { topic } });
      texts.push(response.output[0].content[0].text);
    }
    expect(texts).toEqual([own.output[0].content[0].text, own.output[0].content[0].text]);
    const told = types(client.events.slice(from));
    expect(told.filter((type) => type === 'response.output_item.done').length).toBe(2);
    expect(told.filter((type) => type.startsWith('conversation.'))).toEqual([]);
    client.send({ type: 'response.create', response: { conversation: 'none', input: [{ type: 'item_reference', id: 'none' }] } });
    expect((await client.until('error'))['error']).toMatchObject({ code: 'item_not_found' });
    apart([{ ...given, id: item.id }], 'taken');
    expect((await client.until('error'))['error']).toMatchObject({ code: 'item_exists', param: 'response.input' });
  });

  it('answers a text as a chat does, in the events of the reference', async () => {
    const client = await rig.open();
    await update(client, PLAIN);
    client.send({ ...message(QUESTION), event_id: 'mine' });
    const { item, previous_item_id: before } = await client.until('conversation.item.added');
    expect([item.role, item.content, before]).toEqual(['user', [{ type: 'input_text', text: QUESTION }], null]);
    await client.until('conversation.item.done');
    const { events, response } = await answer(client, { metadata: { topic: 'foxes' } });
    expect(types(events).filter((type, i, all) => type !== all[i - 1])).toEqual([
      'response.created', 'response.output_item.added', 'conversation.item.added', 'response.content_part.added',
      'response.output_text.delta', 'response.output_text.done', 'response.content_part.done', 'response.output_item.done',
      'conversation.item.done', 'response.done',
    ]);
    const chat = await rig.client.chat.completions.create({
      model: 'ember', temperature: 0, max_tokens: 24,
      messages: [{ role: 'system', content: INSTRUCTIONS }, { role: 'user', content: QUESTION }],
    });
    const { content } = chat.choices[0]!.message;
    expect(joined(events, 'response.output_text.delta')).toBe(content);
    expect(response).toMatchObject({
      status: chat.choices[0]!.finish_reason === 'stop' ? 'completed' : 'incomplete', metadata: { topic: 'foxes' },
      output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: content }] }],
      usage: { input_tokens: chat.usage!.prompt_tokens, output_tokens: chat.usage!.completion_tokens,
        output_token_details: { audio_tokens: 0 } },
    });
    // Every event has an id of its own, and those of an answer name it.
    expect(new Set(client.events.map(({ event_id: id }) => id)).size).toBe(client.events.length);
    expect(new Set(events.flatMap((event) => event['response_id'] ?? []))).toEqual(new Set([response.id]));
    const record = rig.records.findLast(({ route }) => route === '/v1/realtime');
    expect(record).toMatchObject({ model: 'ember', outcome: 'done', completionTokens: chat.usage!.completion_tokens });
  });

  it('speaks its answers: sound and transcript, and what was not heard is forgotten', async () => {
    const client = await rig.open();
    await update(client, { ...PLAIN, output_modalities: ['audio'], audio: { input: { turn_detection: null },
      output: { voice: 'af_heart' } } });
    client.send(message(QUESTION));
    await client.until('conversation.item.done');
    const { events, response } = await answer(client);
    const transcript = joined(events, 'response.output_audio_transcript.delta');
    const sound = Buffer.concat(events.filter(({ type }) => type === 'response.output_audio.delta')
      .map(({ delta }) => Buffer.from(delta as string, 'base64')));
    expect(transcript).not.toBe('');
    expect(sound.length).toBeGreaterThan(4800);
    expect(response.output[0].content).toEqual([{ type: 'output_audio', transcript }]);
    const done = types(events).filter((type) => type.endsWith('.done'));
    expect(done.slice(0, 3)).toEqual(['response.output_audio.done', 'response.output_audio_transcript.done', 'response.content_part.done']);
    const [{ id }] = response.output;
    client.send({ type: 'conversation.item.truncate', item_id: id, content_index: 0, audio_end_ms: 10 });
    expect(await client.until('conversation.item.truncated')).toMatchObject({ item_id: id, audio_end_ms: 10 });
    client.send({ type: 'conversation.item.retrieve', item_id: id });
    const { item } = await client.until('conversation.item.retrieved');
    expect(transcript.startsWith(item.content[0].transcript)).toBe(true);
    expect(item.content[0].transcript.length).toBeLessThan(transcript.length);
    client.send({ type: 'conversation.item.truncate', item_id: id, content_index: 0, audio_end_ms: 1e7, event_id: 'far' });
    expect((await client.until('error')).error).toMatchObject({ event_id: 'far', message: expect.stringContaining('ms of speech') });
  });

  it('hears turns: where they begin and end, what was said, and answers them', async () => {
    const client = await rig.open();
    await update(client, { ...PLAIN, audio: { input: { transcription: { model: 'whisper-1' }, turn_detection: { type: 'server_vad',
      silence_duration_ms: 400 } } } });
    say(client, recordedSpeech(0, 5));
    say(client, new Int16Array(24_000));
    const started = await client.until('input_audio_buffer.speech_started');
    const stopped = await client.until('input_audio_buffer.speech_stopped');
    expect(stopped['audio_end_ms']).toBeGreaterThan(started['audio_start_ms'] as number);
    const committed = await client.until('input_audio_buffer.committed');
    expect([committed['item_id'], committed['previous_item_id']]).toEqual([started['item_id'], null]);
    await client.until('conversation.item.added', ({ item }) => item.id === committed['item_id']);
    const heard = await client.until('conversation.item.input_audio_transcription.completed');
    expect(heard['transcript']).toMatch(/Dublin/);
    expect(heard['usage']).toMatchObject({ type: 'duration', seconds: expect.any(Number) });
    const { response } = await client.until('response.done');
    expect(response.usage.input_tokens).toBeGreaterThan(20);
    client.send({ type: 'conversation.item.retrieve', item_id: committed['item_id'] });
    expect((await client.until('conversation.item.retrieved')).item.content).toEqual([{ type: 'input_audio',
      transcript: heard['transcript'] }]);
  });

  it('is interrupted by who speaks, and goes on after that', async () => {
    const client = await rig.open();
    await update(client, {
      ...PLAIN, max_output_tokens: 60, output_modalities: ['audio'],
      audio: { input: { turn_detection: { type: 'server_vad', silence_duration_ms: 400 } } },
    });
    client.send(message('Tell me a story.'));
    client.send({ type: 'response.create' });
    await client.until('response.created');
    say(client, recordedSpeech(0, 3));
    const { response } = await client.until('response.done');
    expect(response).toMatchObject({ status: 'cancelled', status_details: { type: 'cancelled', reason: 'turn_detected' } });
    say(client, new Int16Array(24_000));
    expect((await client.until('response.done')).response.status).toMatch(/completed|incomplete/);
  });

  it('takes turns by commit, and forgets sound by clear', async () => {
    const client = await rig.open();
    await update(client, { ...PLAIN, audio: { input: { turn_detection: null, transcription: {} } } });
    client.send({ type: 'input_audio_buffer.commit', event_id: 'none' });
    expect((await client.until('error')).error).toMatchObject({ event_id: 'none', code: 'input_audio_buffer_commit_empty' });
    say(client, recordedSpeech(0, 2));
    client.send({ type: 'input_audio_buffer.clear' });
    await client.until('input_audio_buffer.cleared');
    client.send({ type: 'input_audio_buffer.commit' });
    expect((await client.until('error')).error.code).toBe('input_audio_buffer_commit_empty');
    say(client, recordedSpeech(0, 4));
    client.send({ type: 'input_audio_buffer.commit' });
    await client.until('input_audio_buffer.committed');
    expect((await client.until('conversation.item.input_audio_transcription.completed'))['transcript']).toMatch(/Dublin/);
    // Nobody asked for an answer.
    const { events } = await answer(client);
    expect(types(events)[0]).toBe('response.created');
    expect(types(client.events).filter((type) => type.includes('speech'))).toEqual([]);
  });

  it('calls functions, and reads what came of them', async () => {
    const client = await rig.open();
    const tools = [{
      type: 'function', name: 'weather', description: 'The weather of a place.',
      parameters: { type: 'object', properties: { place: { enum: ['Oslo', 'Rome'] } }, required: ['place'] },
    }];
    await update(client, { ...PLAIN, instructions: '', max_output_tokens: 60, tools, tool_choice: 'required' });
    client.send(message('How is the weather in Oslo?'));
    const { events, response } = await answer(client);
    const [call] = response.output.slice(-1);
    expect(call).toMatchObject({ type: 'function_call', name: 'weather', status: 'completed', call_id: expect.stringMatching(/^call_/) });
    expect(['Oslo', 'Rome']).toContain(JSON.parse(call.arguments).place);
    expect(joined(events, 'response.function_call_arguments.delta')).toBe(call.arguments);
    expect(events.find(({ type }) => type === 'response.function_call_arguments.done')).toMatchObject({ call_id: call.call_id,
      arguments: call.arguments });
    client.send({ type: 'conversation.item.create', item: { type: 'function_call_output', call_id: call.call_id, output: 'Rain.' } });
    expect((await client.until('conversation.item.added')).item).toMatchObject({ type: 'function_call_output', output: 'Rain.' });
    const { response: second } = await answer(client, { tool_choice: 'auto' });
    expect(second.output[0].content[0].text).toMatch(/rain/i);
  });

  it('keeps items: put in between, retrieved, deleted', async () => {
    const client = await rig.open();
    await update(client, PLAIN);
    client.send({ ...message('one'), item: { id: 'first', type: 'message', role: 'user', content: [{ type: 'input_text',
      text: 'one' }] } });
    client.send({ type: 'conversation.item.create', item: { id: 'last', type: 'message', role: 'assistant',
      content: [{ type: 'output_text', text: 'three' }] } });
    await client.until('conversation.item.done', ({ item }) => item.id === 'last');
    client.send({ type: 'conversation.item.create', previous_item_id: 'first', item: { id: 'mid', type: 'message', role: 'user',
      content: [{ type: 'input_text', text: 'two' }] } });
    expect(await client.until('conversation.item.added')).toMatchObject({ previous_item_id: 'first', item: { id: 'mid' } });
    client.send({ type: 'conversation.item.delete', item_id: 'mid' });
    expect((await client.until('conversation.item.deleted'))['item_id']).toBe('mid');
    client.send({ type: 'conversation.item.retrieve', item_id: 'mid', event_id: 'gone' });
    expect((await client.until('error')).error).toMatchObject({ code: 'item_not_found', event_id: 'gone' });
    client.send({ ...message('again'), item: { id: 'first', type: 'message', role: 'user', content: [{ type: 'input_text',
      text: 'again' }] } });
    expect((await client.until('error')).error.code).toBe('item_exists');
  });

  it('ends an answer by response.cancel, and refuses a second one at a time', async () => {
    const client = await rig.open();
    await update(client, { ...PLAIN, max_output_tokens: 60 });
    client.send({ type: 'response.cancel', event_id: 'early' });
    expect((await client.until('error')).error).toMatchObject({ code: 'response_cancel_not_active', event_id: 'early' });
    client.send(message('Tell me a story.'));
    client.send({ type: 'response.create' });
    client.send({ type: 'response.create', event_id: 'second' });
    client.send({ type: 'response.cancel' });
    expect((await client.until('error')).error).toMatchObject({ code: 'conversation_already_has_active_response', event_id: 'second' });
    const { response } = await client.until('response.done');
    expect(response).toMatchObject({ status: 'cancelled', status_details: { reason: 'client_cancelled' } });
    expect((await answer(client)).response.status).toMatch(/completed|incomplete/);
  });

  it('response.cancel ends one answer of those that were asked for', async () => {
    const client = await rig.open();
    await update(client, PLAIN);
    client.send(message(QUESTION));
    const beside = { conversation: 'none', metadata: { topic: 'beside' } };
    client.send({ type: 'response.create', response: beside });
    client.send({ type: 'response.create' });
    client.send({ type: 'response.cancel' });
    const ends = [(await client.until('response.done'))['response'], (await client.until('response.done'))['response']];
    const ofTopic = (topic: string | undefined) => ends.find(({ metadata }) => metadata?.topic === topic);
    expect(ofTopic(undefined)).toMatchObject({ status: 'cancelled', output: [], status_details: { reason: 'client_cancelled' } });
    expect(ofTopic('beside')!.status).toMatch(/completed|incomplete/);
    expect((await answer(client)).response.status).toMatch(/completed|incomplete/);
  });

  it('talks with a model that does all of it', async () => {
    const client = await rig.open('talk');
    const session = await update(client, { type: 'realtime', max_output_tokens: 20, audio: { input: { turn_detection: null } } });
    expect(session).toMatchObject({ model: 'talk', output_modalities: ['audio'] });
    say(client, recordedSpeech(0, 1));
    client.send({ type: 'input_audio_buffer.commit' });
    await client.until('input_audio_buffer.committed');
    const { events, response } = await answer(client);
    expect(joined(events, 'response.output_audio_transcript.delta')).not.toBe('');
    const bytes = Buffer.concat(events.filter(({ type }) => type === 'response.output_audio.delta')
      .map(({ delta }) => Buffer.from(delta as string, 'base64')));
    expect(bytes.length / 2).toBe(1920 * response.usage.output_token_details.audio_tokens);
    client.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] }, event_id: 'text' });
    expect((await client.until('error')).error).toMatchObject({ param: 'session.output_modalities', event_id: 'text' });
    client.send({ type: 'session.update', session: { type: 'realtime', tools: [{ type: 'function', name: 'a' }] } });
    expect((await client.until('error')).error.param).toBe('session.tools');
  });
});

describe.skipIf(!hasRealtimeModels)('what is not obeyed', () => {
  const rig = realtimeRig();
  const audio = (of: object) => ({ type: 'realtime', audio: of });
  const input = (of: object) => audio({ input: of });

  it('is refused by name, of a session and of a response', async () => {
    const client = await rig.open();
    const refused: readonly (readonly [object, string])[] = [
      [{ type: 'transcription', audio: { output: { speed: 1 } } }, 'session.audio.output'],
      [{ type: 'transcription', audio: { input: { transcription: null } } }, 'session.audio.input.transcription'],
      [{ type: 'realtime', model: 'hear' }, 'session.model'],
      [input({ format: { type: 'audio/pcmu' } }), 'session.audio.input.format.type'],
      [audio({ output: { format: { type: 'audio/pcma' } } }), 'session.audio.output.format.type'],
      [input({ format: { type: 'audio/pcm', rate: 16_000 } }), 'session.audio.input.format.rate'],
      [input({ turn_detection: { type: 'semantic_vad' } }), 'session.audio.input.turn_detection.type'],
      [input({ turn_detection: { type: 'server_vad', idle_timeout_ms: 5000 } }), 'session.audio.input.turn_detection.idle_timeout_ms'],
      [input({ noise_reduction: { type: 'near_field' } }), 'session.audio.input.noise_reduction'],
      [input({ transcription: { model: 'gpt-4o-transcribe' } }), 'session.audio.input.transcription.model'],
      [input({ transcription: { language: 'de' } }), 'session.audio.input.transcription.language'],
      [audio({ output: { voice: 'alloy' } }), 'session.audio.output.voice'],
      [{ type: 'realtime', tracing: 'auto' }, 'session.tracing'], [{ type: 'realtime', truncation: 'auto' }, 'session.truncation'],
      [{ type: 'realtime', include: ['item.input_audio_transcription.logprobs'] }, 'session.include'],
      [{ type: 'realtime', prompt: { id: 'a' } }, 'session.prompt'], [{ type: 'realtime', reasoning: { effort: 'low' } },
        'session.reasoning'],
      [{ type: 'realtime', parallel_tool_calls: false }, 'session.parallel_tool_calls'],
      [{ type: 'realtime', tool_choice: 'required' }, 'session.tool_choice'], [{ type: 'realtime', volume: 3 }, 'session.volume'],
      [{ type: 'realtime', output_modalities: ['text', 'audio'] }, 'session.output_modalities'], [{}, 'session.type'],
    ];
    for (const [session, param] of refused) {
      client.send({ type: 'session.update', session, event_id: param });
      expect((await client.until('error')).error, JSON.stringify(session)).toMatchObject({ param, event_id: param });
    }
    for (const [response, param] of [[{ conversation: 'other' }, 'response.conversation'], [{ input: 'hi' }, 'response.input'],
      [{ audio: { output: { voice: 'alloy' } } }, 'response.audio.output.voice']] as const) {
      client.send({ type: 'response.create', response });
      expect((await client.until('error')).error.param, param).toBe(param);
    }
    expect(types(client.events)).not.toContain('session.updated');
  });

  it('events that are none, or come out of order, are told with what is wrong', async () => {
    const client = await rig.open();
    const raw = (text: string | Uint8Array) => client.socket.socket.send(text);
    const told: readonly (readonly [() => void, object])[] = [
      [() => raw('{'), { code: 'invalid_json' }], [() => raw('[]'), { code: 'invalid_event' }], [() => raw('null'),
        { code: 'invalid_event' }],
      [() => raw(new Uint8Array([1, 2])), { code: 'invalid_event' }], [() => raw('{"type":5,"event_id":"e"}'), { param: 'type',
        event_id: 'e' }],
      [() => raw(`${'['.repeat(200)}${']'.repeat(200)}`), { code: 'too_deep' }],
      [() => client.send({ type: 'session.updat' }), { code: 'unknown_event', message: expect.stringContaining('session.update') }],
      [() => client.send({ type: 'output_audio_buffer.clear' }), { code: 'unsupported_event' }],
      [() => client.send({ type: 'session.update' }), { param: 'session' }],
      [() => client.send({ type: 'input_audio_buffer.append' }), { param: 'audio', code: 'missing_required_parameter' }],
      [() => client.send({ type: 'input_audio_buffer.append', audio: '%%%' }), { param: 'audio', code: 'invalid_base64' }],
      [() => client.send({ type: 'input_audio_buffer.append', audio: 'AAAA' }), { param: 'audio', code: 'invalid_audio' }],
      [() => client.send({ type: 'conversation.item.create', item: { type: 'mcp_call' } }), { param: 'item.type' }],
      [() => client.send({ type: 'conversation.item.create', item: { type: 'message', role: 'user',
        content: [{ type: 'input_text' }] } }), { param: 'item.content[0].text' }],
      [() => client.send({ type: 'conversation.item.create', item: { type: 'function_call', name: 'a', arguments: '[' } }),
        { param: 'item.arguments' }],
      [() => client.send({ ...message('a'), previous_item_id: 'none' }), { code: 'item_not_found' }],
      [() => client.send({ type: 'conversation.item.delete', item_id: 'none' }), { code: 'item_not_found' }],
      [() => client.send({ type: 'conversation.item.truncate', item_id: 'none', audio_end_ms: 1 }), { code: 'item_not_found' }],
      [() => client.send({ type: 'response.cancel', response_id: 'none' }), { code: 'response_cancel_not_active' }],
    ];
    for (const [send, error] of told) {
      send();
      expect((await client.until('error')).error).toMatchObject(error);
    }
    await update(client, PLAIN);
  });
});
