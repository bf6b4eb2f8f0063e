/** `/v1/audio/...`: named, and refused until a model of speech can be served. */
import { Failure } from '../failure.ts';

/** Its body, which may be a file, is not read. @throws Failure (400) that says what is missing */
export function refuseAudio(): never {
  throw new Failure(
    'This server has no model of speech yet: "ingot serve" takes models of text and of embeddings. One of speech will be given to it as ' +
      'those are, "ingot serve NAME=PATH"; until then, send text.',
    { status: 400, code: 'unsupported_model', param: 'model', headers: { connection: 'close' } },
  );
}
