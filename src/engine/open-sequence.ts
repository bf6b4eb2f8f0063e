/** A sequence's tokens, and which pages and slots of the program hold their state. */
import { CapacityError, InputError } from '../tensor/errors.ts';
import type { ModelCore } from './model-core.ts';
import type { Sequence, SequenceOptions } from './sequence.ts';

export function openSequence(core: ModelCore, { isPrivate = false }: SequenceOptions = {}): Sequence {
  const present: number[] = [];
  const state = core.state.open(present);
  let epoch = state.epoch;
  let isClosed = false;
  let offered: readonly number[] = [];

  const checkOpen = () => {
    if (isClosed) throw new InputError('The state of this sequence was freed while it ran: its chat was disposed.');
  };
  const forgetLost = () => {
    if (epoch !== state.epoch) present.length = 0;
    epoch = state.epoch;
    // A device that ran ahead has slots past the tokens that were taken, and none in the middle of a submit.
    present.length = core.state.servable(state, present.length);
  };
  /** Where a submit begins; whatever lies past that is given back. */
  const settle = () => {
    forgetLost();
    core.state.truncate(state, present.length);
    return present.length;
  };
  const share = () => {
    if (!isPrivate) core.state.share(state);
  };
  const stage: Sequence['stage'] = (ids, { end, outputs, settled }) => {
    checkOpen();
    const start = settle();
    const ownEpoch = state.epoch;
    const release = () => {
      state.isPinned = false;
      if (!isClosed && state.epoch === ownEpoch) core.state.truncate(state, start);
    };
    state.isPinned = true;
    try {
      const place = core.state.begin(state, { start, end, accepted: start, settled });
      const tokens = new Int32Array(end - start);
      for (let i = start; i < end; i++) tokens[i - start] = ids[i] as number;
      return {
        step: { tokens, start, ...place, outputs: outputs.map((position) => position - start) },
        commit() {
          state.isPinned = false;
          if (isClosed) return;
          for (const token of tokens) present.push(token);
          core.state.confirm(state, start);
          share();
        },
        withdraw: release,
      };
    } catch (error) {
      release();
      throw error;
    }
  };
  const extend: Sequence['extend'] = async (ids, { taps, signal, ...options }) => {
    const rows = stage(ids, options);
    try {
      const result = await core.run({ sequences: [rows.step], signal, ...(taps === undefined ? {} : { taps }) });
      rows.commit();
      return result;
    } catch (error) {
      rows.withdraw();
      if (!makesRoom(core, error)) throw error;
    }
    return extend(ids, { taps, signal, ...options });
  };
  return {
    get length() {
      forgetLost();
      return present.length;
    },
    keepPrefix(ids) {
      forgetLost();
      let common = 0;
      while (common < present.length && common < ids.length && present[common] === ids[common]) common++;
      present.length = common;
      settle();
      const adopted = isPrivate ? 0 : core.state.adopt(state, ids);
      if (adopted > 0) present.length = 0;
      for (let i = 0; i < adopted; i++) present.push(ids[i] as number);
      return present.length;
    },
    offer(ids, lengths) {
      if (isPrivate || !core.state.sharesSnapshots) return [];
      const { pageTokens } = core.state;
      const whole = [...lengths, core.state.known(ids)].map((length) => Math.floor(Math.min(length, ids.length) / pageTokens) * pageTokens);
      offered = [...new Set(whole)].filter((length) => length > present.length).sort((a, b) => a - b);
      return offered;
    },
    keep(tokens) {
      forgetLost();
      if (isClosed || tokens > present.length) return;
      if (offered.includes(tokens)) core.state.shareSnapshot(state, tokens);
      else core.state.keep(state, tokens);
    },
    rest(tokens) {
      if (isClosed || !core.state.hasSlots) return;
      forgetLost();
      present.length = Math.min(present.length, tokens);
      forgetLost();
      core.state.rest(state, present.length);
    },
    claim(rank) {
      state.claim = rank;
    },
    stage,
    extend,
    decode(ids, { settled, ...options }) {
      checkOpen();
      const start = settle();
      const tokens = Int32Array.from({ length: ids.length - start }, (_, i) => ids[start + i] as number);
      let next = start;
      // What the caller was given last is taken when it asks for more.
      let accepted = start;
      const reserve = (end: number) => {
        checkOpen();
        const place = core.state.begin(state, { start: next, end, accepted, settled: settled?.() });
        next = end;
        return place;
      };
      const run = core.decode({ ...options, tokens, start, reserve });
      const ownEpoch = state.epoch;
      /** Tokens whose state is there as soon as the next one has been sampled. */
      let ahead: readonly number[] = Array.from(tokens);
      return {
        async next() {
          checkOpen();
          accepted = present.length;
          const sampled = await run.next();
          if (sampled.length === 0 || state.epoch !== ownEpoch) return sampled;
          const known = present.length;
          present.push(...ahead, ...sampled.slice(0, -1));
          core.state.confirm(state, known);
          share();
          ahead = sampled.slice(-1);
          return sampled;
        },
        close: () => run.close(),
      };
    },
    close() {
      isClosed = true;
      core.state.close(state);
    },
  };
}

/** Whether memory that a device refused after a submit was begun may be had by going without a snapshot, which is then gone. */
function makesRoom({ state }: ModelCore, error: unknown): boolean {
  return error instanceof CapacityError && state.makeRoom(error);
}

