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
  /** Where staged rows end, the oldest first. */
  const underWay: { readonly end: number }[] = [];
  const stage: Sequence['stage'] = (ids, { end, outputs, settled }) => {
    checkOpen();
    const start = underWay.at(-1)?.end ?? settle();
    const ownEpoch = state.epoch;
    const own = { end };
    const withdraw = () => {
      const at = underWay.indexOf(own);
      if (at < 0) return;
      underWay.splice(at);
      state.isPinned = underWay.length > 0;
      if (!isClosed && state.epoch === ownEpoch) core.state.truncate(state, start);
    };
    underWay.push(own);
    state.isPinned = true;
    try {
      // What the reader has not taken may yet be taken back.
      const place = core.state.begin(state, { start, end, accepted: Math.min(present.length, ids.length), settled });
      const known = Math.min(end, ids.length);
      const tokens = Int32Array.from({ length: Math.max(0, known - start) }, (_, i) => ids[start + i] as number);
      return {
        step: { tokens, start, ...place, outputs: outputs.map((position) => position - start) },
        commit(all, count = end - start) {
          if (underWay[0] !== own) return;
          underWay.shift();
          state.isPinned = underWay.length > 0;
          if (isClosed) return;
          for (let i = start; i < start + count; i++) present.push(all[i] as number);
          core.state.confirm(state, start);
          share();
        },
        withdraw,
      };
    } catch (error) {
      withdraw();
      throw error;
    }
  };
  const extend: Sequence['extend'] = async (ids, { taps, signal, ...options }) => {
    const rows = stage(ids, options);
    try {
      const result = await core.run({ sequences: [rows.step], signal, ...(taps === undefined ? {} : { taps }) });
      rows.commit(ids);
      return result;
    } catch (error) {
      rows.withdraw();
      if (!makesRoom(core, error)) throw error;
    }
    return extend(ids, { taps, signal, ...options });
  };
  /** How many of the ids the sequence's own tokens begin with. */
  const agreeing = (ids: ArrayLike<number>) => {
    let common = 0;
    while (common < present.length && common < ids.length && present[common] === ids[common]) common++;
    return common;
  };
  return {
    get length() {
      forgetLost();
      return present.length;
    },
    get staged() {
      forgetLost();
      return underWay.at(-1)?.end ?? present.length;
    },
    keepPrefix(ids) {
      forgetLost();
      present.length = agreeing(ids);
      settle();
      const adopted = isPrivate ? 0 : core.state.adopt(state, ids);
      if (adopted > 0) present.length = 0;
      for (let i = 0; i < adopted; i++) present.push(ids[i] as number);
      return present.length;
    },
    parting(ids) {
      forgetLost();
      const own = agreeing(ids);
      const isOther = own < present.length && own < ids.length;
      const known = isPrivate ? 0 : core.state.known(ids);
      const others = isPrivate ? 0 : core.state.parting(ids);
      const most = Math.max(isOther ? own : 0, others);
      // What goes on as the ids do, and ends before them, is no break.
      return most === 0 || most < Math.max(known, isOther ? 0 : own) ? undefined : most;
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
    abandon() {
      if (underWay.length === 0) return;
      underWay.length = 0;
      state.isPinned = false;
      if (!isClosed) settle();
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

