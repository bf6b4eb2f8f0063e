/** A request for `/v1/realtime`: who asks, for which model, and what answers on the socket. */
import { createCascade } from '../../engine/talk/cascade/cascade.ts';
import { createListener } from '../../engine/talk/cascade/listener.ts';
import { createModelTalker } from '../../engine/talk/live/model-talker.ts';
import type { Talker } from '../../engine/talk/live/talker.ts';
import type { Model } from '../../engine/api.ts';
import type { SpeechModel } from '../../engine/speech/speech-model.ts';
import type { VoiceDetector } from '../../engine/speech/voice-detector.ts';
import type { VoiceModel } from '../../engine/speech/voice-model.ts';
import type { TalkModel } from '../../engine/talk/talk-model.ts';
import type { ServerUpgrade } from '../api.ts';
import { startCall } from '../call.ts';
import type { Call, OpeningCall, ServerState } from '../call.ts';
import { admit, checkRoom } from '../answer-request.ts';
import { Failure, failureOf, invalid } from '../failure.ts';
import { checkModelOf, findAnyModel } from '../find-model.ts';
import { errorBody } from '../openai/error-form.ts';
import type { ParameterTable } from '../parameter-table.ts';
import { readQuery } from '../query-parameters.ts';
import type { SessionAbilities } from './session-config.ts';
import { openSession } from './realtime-session.ts';

export const REALTIME_PATH = '/v1/realtime';

export const REALTIME_QUERY: ParameterTable = {
  model: {
    schema: { type: 'string', minLength: 1, maxLength: 200 },
    about: 'A model of text, or one that answers speech with speech; with intent=transcription one that hears, or none: the one that ' +
      'the server hears with.',
  },
  intent: {
    schema: { type: 'string', enum: ['transcription'] },
    about: 'A session that tells what was said, and answers nothing.',
  },
  call_id: { refused: 'calls of telephones and of WebRTC are not here; name a model.' },
};

/** As browsers' clients and others offer it. */
const PROTOCOL = 'realtime';

/** @throws Failure (400) for the form that was before the reference's present one */
function checkForm({ headers }: Request): string | undefined {
  const offered = (headers.get('sec-websocket-protocol') ?? '').split(',').map((one) => one.trim());
  const isOld = /realtime/i.test(headers.get('openai-beta') ?? '') || offered.some((one) => one.startsWith('openai-beta.realtime'));
  if (isOld)
    throw invalid('OpenAI-Beta: realtime=v1 is not obeyed here: events have the shapes of the present reference. Leave it out.', {
      param: 'OpenAI-Beta', code: 'unsupported_parameter',
    });
  return offered.includes(PROTOCOL) ? PROTOCOL : undefined;
}

function checkSessions({ sessions, limits }: ServerState): void {
  if (sessions.size < limits.sessions) return;
  throw new Failure(`The server has ${limits.sessions} sessions, the most that it takes. Ask again later.`, {
    status: 503, code: 'overloaded', headers: { 'retry-after': '1' },
  });
}

/** What a session talks with, and what that can do. Its models stay loaded until the call is over. */
export interface SessionTalker {
  readonly talker: Talker;
  readonly abilities: SessionAbilities;
}

async function detectorOf({ state }: Call): Promise<VoiceDetector> {
  const detector = await state.speech.detector();
  if (detector !== undefined) return detector;
  throw invalid('The server has nothing that tells speech from silence: createServer takes it as speech.detector.', {
    param: 'model', code: 'unsupported_model',
  });
}

function namesOf({ state: { models } }: Call, id: string): readonly string[] {
  return [id, ...models.describe(id).aliases];
}

/** @throws Failure (400) for a model that does not hear, or where the server has none */
async function listenerFor(call: Call, named: string | undefined): Promise<SessionTalker> {
  const { models, speech } = call.state;
  const id = named ?? speech.ears;
  if (id === undefined)
    throw invalid('The server has no model that hears: name one as model, or serve one.', { param: 'model', code: 'unsupported_model' });
  call.figures.model = checkModelOf(call, id);
  if (models.describe(id).kind !== 'speech')
    throw invalid(`The model ${id} does not hear: name one that does, or leave model out.`, { param: 'model', code: 'unsupported_model' });
  const detector = await detectorOf(call);
  const talker = createListener({ ears: (await findAnyModel(call, id)) as SpeechModel, detector });
  const abilities = { model: id, info: talker.info, ears: namesOf(call, id), priority: call.priority, isListener: true };
  return { talker, abilities };
}

async function talkerFor(call: Call, id: string): Promise<SessionTalker> {
  const { models, speech } = call.state;
  call.figures.model = checkModelOf(call, id);
  const { kind } = models.describe(id);
  if (kind !== 'text' && kind !== 'talk')
    throw invalid(`The model ${id} answers nothing: name a model of text, or one that answers speech with speech.`, {
      param: 'model', code: 'unsupported_model',
    });
  const detector = await detectorOf(call);
  if (kind === 'talk') {
    const talker = createModelTalker((await findAnyModel(call, id)) as TalkModel, detector);
    return { talker, abilities: { model: id, info: talker.info, ears: [], priority: call.priority, isListener: false } };
  }
  const ears = speech.ears === undefined ? undefined : ((await findAnyModel(call, speech.ears)) as SpeechModel);
  const voice = speech.voice === undefined ? undefined : ((await findAnyModel(call, speech.voice)) as VoiceModel);
  const talker = createCascade({ ears, model: (await findAnyModel(call, id)) as Model, voice, detector });
  const names = speech.ears === undefined ? [] : namesOf(call, speech.ears);
  return { talker, abilities: { model: id, info: talker.info, ears: names, priority: call.priority, isListener: false } };
}

async function prepare(call: OpeningCall): Promise<SessionTalker & { readonly protocol: string | undefined }> {
  const { request, state } = call;
  checkRoom(call, {});
  checkSessions(state);
  const protocol = checkForm(request);
  await admit(call, { route: {} });
  call.query = readQuery(request, REALTIME_QUERY);
  const { model, intent } = call.query as { readonly model?: string; readonly intent?: string };
  if (intent !== undefined) return { ...(await listenerFor(call, model)), protocol };
  if (model === undefined)
    throw invalid('Missing required parameter: model.', { param: 'model', code: 'missing_required_parameter' });
  return { ...(await talkerFor(call, model)), protocol };
}

/** Answers when the session's models are loaded, so that what is refused has a status of its own. Never rejects. */
export async function openRealtime(state: ServerState, request: Request): Promise<ServerUpgrade> {
  const call = startCall({ state, request, route: REALTIME_PATH });
  try {
    const { talker, abilities, protocol } = await prepare(call);
    return {
      protocol,
      open(socket) {
        call.isStreaming = true;
        return openSession({ call, talker, abilities, socket });
      },
      abandon() {
        call.stop('client');
        void talker.dispose();
        call.end(499).catch(() => {});
      },
    };
  } catch (error) {
    const failure = failureOf(error);
    const told = await call.end(failure.status, failure).then(() => failure, failureOf);
    return { response: Response.json(errorBody(told), { status: told.status, headers: { ...told.headers, 'x-request-id': call.id } }) };
  }
}

/** The route for those who ask without an upgrade. */
export function upgradeRequired(): never {
  throw new Failure('This route is a WebSocket: ask it with ws:// or wss://, as OpenAIRealtimeWS of the client openai does.', {
    status: 426, code: 'upgrade_required', headers: { upgrade: 'websocket', connection: 'Upgrade' },
  });
}
