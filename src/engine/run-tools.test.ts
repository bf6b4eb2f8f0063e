import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { FAKE_END, fakeModels } from '../../test/fake-model.ts';
import { InputError } from '../tensor/errors.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { RunToolsOptions, ToolFunction, ToolRunEvent, ToolRunResult } from './tool-api.ts';
import { hermes } from '../text/answers/dialects/hermes.ts';
import { collect } from './collect.ts';
import { collectToolRun } from './collect-tool-run.ts';

const { load } = fakeModels();
const encoder = new TextEncoder();

/** A model that says these texts, one an answer, whatever it is asked. */
async function saying(...answers: readonly string[]) {
  const opening = 'assistant:';
  const adjust = (logits: Float32Array, ids: readonly number[]) => {
    const text = String.fromCharCode(...ids);
    const turn = text.split(opening).length - 2;
    const at = ids.length - (text.lastIndexOf(opening) + opening.length);
    logits[encoder.encode(answers[Math.min(turn, answers.length - 1)])[at] ?? FAKE_END] = 90;
  };
  return (await load({ adjust, contextLength: 16384, modelContextLength: 16384, text: { dialect: hermes } })).model;
}

const call = (name: string, args: JsonObject) => `<tool_call>\n${JSON.stringify({ name, arguments: args })}\n</tool_call>`;
const ASK: Pick<RunToolsOptions, 'messages' | 'temperature'> = { messages: [{ role: 'user', content: 'Go' }], temperature: 0 };
const city = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tool = (more: Partial<ToolFunction> = {}): ToolFunction => ({
  name: 'weather', description: 'Weather.', parameters: city, run: () => 'sunny', ...more,
});

async function eventsOf(run: AsyncIterable<ToolRunEvent>): Promise<ToolRunEvent[]> {
  const events: ToolRunEvent[] = [];
  for await (const event of run) events.push(event);
  return events;
}

const resultsIn = (events: readonly ToolRunEvent[]) => events.flatMap((event) => (event.type === 'result' ? [event.result] : []));
const endIn = (events: readonly ToolRunEvent[]) => events.at(-1) as ToolRunResult;

describe('a run of tools', () => {
  it('calls functions, gives their results back, and ends with an answer', async () => {
    const model = await saying(`Let me see.${call('weather', { city: 'Oslo' })}`, 'It is sunny.');
    const run = vi.fn(() => 'sunny');
    const events = await eventsOf(model.runTools({ ...ASK, tools: [tool({ run })] }));
    const context = expect.objectContaining({ round: 1, call: expect.objectContaining({ name: 'weather' }) });
    expect(run.mock.calls).toEqual([[{ city: 'Oslo' }, context]]);
    const end = endIn(events);
    expect(end).toMatchObject({ type: 'end', reason: 'stop', rounds: 2, content: 'It is sunny.', incompleteCalls: 0 });
    const [, asked, answered] = end.messages;
    const made = { function: { name: 'weather', arguments: { city: 'Oslo' } } };
    expect(asked).toMatchObject({ role: 'assistant', content: 'Let me see.', tool_calls: [made] });
    const { id } = asked!.tool_calls![0] as { id: string };
    expect(answered).toEqual({ role: 'tool', name: 'weather', content: 'sunny', tool_call_id: id });
    const kinds = events.map(({ type }) => type);
    expect(kinds.filter((kind) => kind !== 'piece')).toEqual(['call', 'result', 'end']);
    // Parts of the call come before it is run.
    const parts = events.flatMap((event) => (event.type === 'piece' && event.round === 1 ? event.piece.parts : []));
    expect(parts.filter((part) => part.kind === 'toolCall').map((part) => part.phase)).toContain('end');
    expect(end.usage.cachedTokens).toBeGreaterThan(0);
  });

  it('runs 50 calls of one answer beside each other, and gives their results back in the order of the calls', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `f${i}`);
    const model = await saying(names.map((name, i) => call(name, { city: `c${i}` })).join('\n'), 'Done.');
    let [running, most] = [0, 0];
    let beginAll = () => {};
    const haveBegun = new Promise<void>((resolve) => (beginAll = resolve));
    const tools = names.map((name, i) => tool({
      name,
      async run({ city: asked }: JsonObject) {
        most = Math.max(most, ++running);
        if (running === 50) beginAll();
        await haveBegun;
        await new Promise((resolve) => setTimeout(resolve, (i * 7) % 11));
        running--;
        if (i % 10 === 3) throw new Error(`no ${asked as string}`);
        return asked;
      },
    } as Partial<ToolFunction>));
    const events = await eventsOf(model.runTools({ ...ASK, tools, contextPolicy: 'error' }));
    const end = endIn(events);
    expect(most).toBe(50);
    expect(end).toMatchObject({ reason: 'stop', rounds: 2, content: 'Done.', incompleteCalls: 0 });
    const answered = end.messages.filter(({ role }) => role === 'tool');
    expect(answered.map(({ name }) => name)).toEqual(names);
    expect(answered.map(({ content }) => content)).toEqual(names.map((_, i) => (i % 10 === 3 ? `{"error":"no c${i}"}` : `c${i}`)));
    const asked = end.messages.find(({ role }) => role === 'assistant')!.tool_calls as { id: string }[];
    expect(answered.map((message) => message['tool_call_id'])).toEqual(asked.map(({ id }) => id));
    expect(new Set(asked.map(({ id }) => id)).size).toBe(50);
  });

  it('is asked of a run alone', async () => {
    for (const other of [5, undefined, null, [], 'run', {}])
      await expect(collectToolRun(other as never)).rejects.toThrow('collectToolRun takes a run of model.runTools, found');
    await expect(collect(5 as never)).rejects.toThrow(InputError);
  });

  it('takes results of any kind, and tells of errors to both', async () => {
    const kinds: [unknown, string][] = [
      ['text', 'text'], [{ a: [1, null] }, '{"a":[1,null]}'], [undefined, 'null'], [null, 'null'], [false, 'false'], [3.5, '3.5'],
    ];
    for (const [value, content] of kinds) {
      const model = await saying(call('weather', { city: 'Oslo' }), 'Done.');
      const [result] = resultsIn(await eventsOf(model.runTools({ ...ASK, tools: [tool({ run: async () => value })] })));
      expect(result).toMatchObject({ content, value, error: undefined });
    }
    const failing: [ToolFunction['run'], string][] = [
      [() => { throw new Error('no net'); }, 'no net'], [() => Promise.reject(new RangeError('too far')), 'too far'],
      [() => { throw 'a text'; }, 'a text'], [() => 10n, 'BigInt'],
      [() => { const own: object[] = []; own.push(own); return own; }, 'circular'],
    ];
    for (const [run, message] of failing) {
      const model = await saying(call('weather', { city: 'Oslo' }), 'Sorry.');
      const events = await eventsOf(model.runTools({ ...ASK, tools: [tool({ run })] }));
      const [result] = resultsIn(events);
      expect(result!.error!.message).toContain(message);
      expect((JSON.parse(result!.content) as { error: string }).error).toBe(result!.error!.message);
      expect(endIn(events)).toMatchObject({ reason: 'stop', content: 'Sorry.' });
    }
  });

  it('runs the calls of one answer together, and tells of them as they end', async () => {
    const model = await saying(['a', 'b', 'c'].map((name) => call(name, {})).join('\n'), 'Done.');
    const waiting = new Map<string, () => void>();
    const begun: string[] = [];
    const named = (name: string): ToolFunction => ({
      name,
      run: () => new Promise((resolve) => {
        waiting.set(name, () => resolve(name));
        if (begun.push(name) === 3) waiting.get('b')!();
      }),
    });
    const events: ToolRunEvent[] = [];
    for await (const event of model.runTools({ ...ASK, tools: ['a', 'b', 'c'].map(named) })) {
      events.push(event);
      // The first ends when all have begun, each other one when the one before was told of.
      if (event.type === 'result') waiting.get(({ b: 'c', c: 'a' } as Record<string, string>)[event.result.content] ?? '')?.();
    }
    expect(begun).toEqual(['a', 'b', 'c']);
    expect(resultsIn(events).map(({ content }) => content)).toEqual(['b', 'c', 'a']);
    // The model reads them in the order of its calls.
    expect(endIn(events).messages.slice(2, 5).map(({ content }) => content)).toEqual(['a', 'b', 'c']);
  });

  it('ends at maxRounds with all calls answered, and says so', async () => {
    const model = await saying(call('weather', { city: 'Oslo' }));
    const run = vi.fn(() => 'rain');
    const end = await collectToolRun(model.runTools({ ...ASK, tools: [tool({ run })], maxRounds: 3 }));
    expect(end).toMatchObject({ reason: 'maxRounds', rounds: 3 });
    expect(run).toHaveBeenCalledTimes(3);
    expect(end.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'tool', 'assistant', 'tool']);
  });

  it('ends where an answer is cut, and runs nothing of a call that is not whole', async () => {
    const model = await saying(call('weather', { city: 'Oslo' }));
    const run = vi.fn();
    const end = await collectToolRun(model.runTools({ ...ASK, tools: [tool({ run })], maxTokens: 50 }));
    expect(end).toMatchObject({ reason: 'length', rounds: 1, incompleteCalls: 1 });
    expect(run).not.toHaveBeenCalled();
  });

  it('does not run what is not there, or has arguments that are not valid, and says why', async () => {
    const cases: [string, string][] = [
      [call('height', {}), 'There is no function "height"; there are weather'],
      [call('weather', { city: 5 }), 'behind {"city": there cannot be 5}'],
      [call('weather', {}), 'not valid by the function\'s schema'],
    ];
    for (const [answer, message] of cases) {
      const run = vi.fn();
      const events = await eventsOf((await saying(answer, 'Sorry.')).runTools({ ...ASK, tools: [tool({ run })] }));
      expect(resultsIn(events)[0]!.error!.message).toContain(message);
      expect(run).not.toHaveBeenCalled();
    }
  });
});

describe('schemas of zod', () => {
  const parameters = z.object({ city: z.string().min(1), days: z.coerce.number().int().max(7).default(3) });

  it('describe the arguments, check them, and make the values that the function gets', async () => {
    const seen: unknown[] = [];
    const zodTool: ToolFunction<typeof parameters> = {
      name: 'weather', parameters, run: (args) => (seen.push(args.city.toUpperCase(), args.days + 1), 'ok'),
    };
    const model = await saying(call('weather', { city: 'Oslo', days: '5' }), call('weather', { city: '', days: 9 }), 'Done.');
    const events = await eventsOf(model.runTools({ ...ASK, tools: [zodTool] }));
    expect(seen).toEqual(['OSLO', 6]);
    expect(resultsIn(events)[1]!.error!.message).toMatch(/city: .*days: /);
  });

  it('need JSON Schema beside them where a library does not say it', async () => {
    const bare = { '~standard': { version: 1, vendor: 'mine', validate: (value: unknown) => ({ value }) } } as const;
    const model = await saying('Hello.');
    const run = (more: Partial<ToolFunction>) => collectToolRun(model.runTools({ ...ASK, tools: [tool(more)] }));
    await expect(run({ parameters: bare })).rejects.toThrow("mine's schema does not say");
    expect(await run({ parameters: bare, jsonSchema: city })).toMatchObject({ content: 'Hello.' });
  });
});

describe('who runs tools', () => {
  it('may stop while a function runs, which hears of it', async () => {
    const model = await saying(call('weather', { city: 'Oslo' }), 'Done.');
    const stop = new AbortController();
    let heard: unknown;
    const run: ToolFunction['run'] = (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => (heard = signal.reason)));
    const running = (async () => {
      for await (const event of model.runTools({ ...ASK, tools: [tool({ run })], signal: stop.signal }))
        if (event.type === 'call') setTimeout(() => stop.abort(new Error('enough')));
    })();
    await expect(running).rejects.toThrow('enough');
    expect(heard).toMatchObject({ message: 'enough' });
    const late = model.runTools({ ...ASK, tools: [tool()], signal: AbortSignal.abort(new Error('before')) });
    await expect(collectToolRun(late)).rejects.toThrow('before');
  });

  it('may leave the loop, which ends functions too', async () => {
    const model = await saying(call('weather', { city: 'Oslo' }), call('weather', { city: 'Rome' }), 'Done.');
    const signals: AbortSignal[] = [];
    const run: ToolFunction['run'] = (_, { signal }) => (signals.push(signal), 'sunny');
    for await (const event of model.runTools({ ...ASK, tools: [tool({ run })] })) if (event.type === 'result') break;
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });

  it.each([
    [{ tools: [] }, 'tools must be a list of at least one function, found an empty one'],
    [{ tools: [tool(), tool()] }, 'tools[1] has the name weather, which another one has'],
    [{ tools: [{ name: 'a' }] }, 'tools[0] (a): run must be a function, found undefined'],
    [{ tools: [{ ...tool(), strict: true }] }, 'tools[0] has no option "strict"'],
    [{ tools: [tool({ parameters: { properties: { a: { contains: 3 } } } as never })] }, 'The tool weather: The schema at #/properties/a'],
    [{ tools: [tool({ parameters: 'text' as never })] }, 'parameters must be a JSON Schema or a Standard Schema, found string'],
    [{ tools: [tool()], maxRounds: 0 }, 'maxRounds must be an integer from 1 to 1000'],
    [{ tools: [tool()], toolChoice: 'any' }, 'toolChoice must be "auto", "none", "required" or { name }'],
    [{ tools: [tool()], toolChoice: { name: 'x' } }, 'toolChoice names the tool string "x", which there is not: there are weather'],
    [{ tools: [tool()], messages: [] }, 'messages is empty'],
    [{ tools: [tool()], prompt: 'a' }, 'runTools has no option "prompt"'],
  ])('is told what cannot be meant: %#', async (options, message) => {
    const model = await saying('Hello.');
    const running = collectToolRun(model.runTools({ ...ASK, ...options } as never));
    await expect(running).rejects.toThrow(InputError);
    await expect(running).rejects.toThrow(message);
  });

  it('may let it see no tools', async () => {
    const model = await saying(`No. ${call('weather', { city: 'Oslo' })}`);
    const end = await collectToolRun(model.runTools({ ...ASK, tools: [tool()], toolChoice: 'none' }));
    expect(end).toMatchObject({ reason: 'stop', rounds: 1, content: `No. ${call('weather', { city: 'Oslo' })}` });
  });
});

describe('results that are hard to write', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const noText = Object.assign(new Error('x'), { message: 5n });
  const throwing = Object.defineProperty(new Error('x'), 'message', { get() { throw new Error('of the getter'); } });
  const thrower = (error: unknown) => () => { throw error; };
  it.each<[string, () => unknown, string]>([
    ['a bigint', () => ({ count: 1n }), 'The function returned what is no JSON: JSON cannot say the BigInt 1'],
    ['a circle', () => cyclic, 'The function returned what is no JSON'],
    ['a Map', () => new Map([[1, 2]]), 'JSON cannot say a Map'],
    ['a function', () => () => 1, 'The function returned what is no JSON: a function'],
    ['a symbol', () => Symbol('x'), 'The function returned what is no JSON: symbol'],
    ['an error without a message', thrower(new RangeError()), 'RangeError'],
    ['an error whose message is no text', thrower(noText), '5'],
    ['an error whose message throws', thrower(throwing), 'does not say its message'],
  ])('%s', async (_, run, message) => {
    const model = await saying(call('weather', { city: 'Oslo' }), 'Sorry.');
    const events = await eventsOf(model.runTools({ ...ASK, tools: [tool({ run })] }));
    const [result] = resultsIn(events);
    expect((JSON.parse(result!.content) as { error: string }).error).toContain(message);
    expect(result!.error).toBeInstanceOf(Error);
    expect(endIn(events).reason).toBe('stop');
  });

  it('a tool of no object, and a choice with more than a name, are refused', async () => {
    const model = await saying('Hi.');
    const options = { ...ASK, tools: [tool({ parameters: { type: 'string' } })] };
    await expect(eventsOf(model.runTools(options))).rejects.toThrow('parameters must be the schema of an object');
    const described = [{ type: 'function', function: { name: 'f', parameters: { type: 'array' } } }];
    const asked = model.generate({ ...ASK, tools: described, toolChoice: 'required' });
    await expect(asked.next()).rejects.toThrow('The tool f: parameters must be the schema of an object');
    const circle: Record<string, JsonObject> = {};
    circle['inside'] = circle;
    for (const [tools, message] of [
      [null, 'tools must be an array'], [5, 'tools must be an array'], [[null], 'tools[0] must be an object'],
      [[{ name: 'f', parameters: { minimum: 1n } }], 'tools[0]/parameters/minimum must be JSON, found bigint 1'],
      [[{ name: 'f', run() {} }], 'tools[0]/run must be JSON, found a function'], [[circle], 'or holds itself'],
      [[{ type: 'function', function: { parameters: {} } }], 'tools[0] has no name'], [[{ name: 'f' }, {}], 'tools[1] has no name'],
      [[{ name: '' }], 'tools[0] has no name'], [[{ type: 'function', function: 'f' }], 'tools[0] has no name'],
    ] as const) for (const toolChoice of ['auto', 'required', { name: 'f' }] as const)
      await expect(model.generate({ ...ASK, tools: tools as never, toolChoice, toolOrder: 'canonical' }).next()).rejects.toThrow(message);
    const toolChoice = { name: 'weather', strict: true };
    await expect(eventsOf(model.runTools({ ...ASK, tools: [tool()], toolChoice }))).rejects.toThrow('no option "strict"');
  });
});
