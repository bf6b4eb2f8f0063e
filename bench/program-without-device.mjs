/** A program that computes nothing: it gives the next of a list of tokens (as a GPU does) or logits that stay as they are (as the CPU). */
const VOCAB = 4096;
const MOST_SEQUENCES = 64;

/**
 * @param graphs the model's
 * @param msOf of a submit of so many rows and steps, one after another, as a device would take them; undefined: no time at all
 */
export function programWithoutDevice(graphs, { mostSteps, hasChooser = true, onSubmit = () => {}, msOf }) {
  const logits = Float32Array.from({ length: MOST_SEQUENCES * VOCAB }, (_, i) => Math.sin(i * 12.9898) * 4);
  const nextTurn = () => new Promise((resolve) => { setImmediate(resolve); });
  const clock = msOf === undefined ? nextTurn : deviceClock(msOf);
  return {
    model: graphs, chooser: hasChooser ? chooserOf({ mostSteps, onSubmit, clock }) : undefined,
    limits: () => ({ rows: msOf === undefined ? 512 : 1024, outRows: MOST_SEQUENCES }),
    ensurePages() {}, ensureSlots() {}, copySlot() {}, snapshotSlot: async () => new Uint8Array(), restoreSlot() {},
    async run(list) {
      onSubmit();
      const ofRows = ({ outRows = 0 }) => logits.subarray(0, outRows * VOCAB);
      await clock({ rows: list.reduce((sum, { dims }) => sum + (dims.rows ?? 0), 0), steps: 1 });
      return list.map(({ wanted, dims }) => new Map(wanted.map((name) => [name, ofRows(dims)])));
    },
    memory: { weightBytes: 0, kvBytes: 0, workBytes: 0 }, printPlan: () => '', dispose: async () => {},
  };
}

/** Resolves when a device that does one submit after another would have done this one. */
function deviceClock(msOf) {
  let freeAt = 0;
  return async (submit) => {
    const doneAt = (freeAt = Math.max(freeAt, performance.now()) + msOf(submit));
    for (let left = doneAt - performance.now(); left > 0; left = doneAt - performance.now())
      await new Promise((resolve) => { if (left > 2.5) setTimeout(resolve, left - 1.5); else setImmediate(resolve); });
  };
}

function chooserOf({ mostSteps, onSubmit, clock }) {
  let last = 0;
  const next = () => (last = (last * 31 + 7) % 4000);
  /** A token of a mask, from one word to the next. */
  const allowed = (mask) => {
    for (let i = 0, word = (last = (last * 31 + 7) % mask.length); i < mask.length; i++, word = (word + 1) % mask.length)
      if (mask[word] !== 0) return word * 32 + 31 - Math.clz32(mask[word]);
    return 0;
  };
  return {
    mostSequences: MOST_SEQUENCES, mostSteps,
    open: () => 0, close() {}, prepare: () => undefined,
    submit: async ({ sequences, steps }) => {
      onSubmit();
      const rows = sequences.reduce((sum, { tokens }) => sum + Math.max(1, tokens.length), 0);
      const chosen = (masks) => sequences.map(({ wanted }, i) => ({
        tokens: wanted === 'token' ? Array.from({ length: steps }, () => (masks?.[i] === undefined ? next() : allowed(masks[i]))) : [],
        logits: undefined, error: undefined,
      }));
      const later = async (masks) => {
        const tokens = chosen(masks);
        await clock({ rows, steps });
        return tokens;
      };
      if (!sequences.some(({ isMasked }) => isMasked)) return { results: later() };
      let choose;
      const results = new Promise((resolve) => (choose = (masks) => resolve(later(masks))));
      return { results, choose };
    },
  };
}
