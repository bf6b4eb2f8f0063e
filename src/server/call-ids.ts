/**
 * Ids of tool calls: clients are told them with the beginning that they know from the form's own service, and chat templates read them
 * without it, as the model wrote them (some templates refuse ids of another length).
 */

const BEGINNINGS = { call: 'call_', toolUse: 'toolu_' } as const;

/** The engine's id as a client is told it. @param as `call` of OpenAI's forms, `toolUse` of Anthropic's */
export function toldCallId(id: string, as: keyof typeof BEGINNINGS): string {
  return `${BEGINNINGS[as]}${id}`;
}

/** The id of a client's call or result as templates read it: those of a conversation stay alike, whichever form it began in. */
export function engineCallId(id: string): string {
  const beginning = Object.values(BEGINNINGS).find((one) => id.startsWith(one) && id.length > one.length) ?? '';
  return id.slice(beginning.length);
}
