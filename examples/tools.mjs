// Functions that a model calls: it asks for one, the function runs, and its result goes into the answer.
import { bundledModelPath, loadModel } from 'ingot';

const departures = { Cork: '21:30', Madrid: '08:15' };

const tools = [
  {
    name: 'find_train',
    description: 'Find the train.',
    parameters: { type: 'object', properties: { destination: { type: 'string' } }, required: ['destination'] }, // or a schema of zod
    async run({ destination }) {
      if (!(destination in departures)) throw new Error(`no trains to ${destination}`); // the model reads this too
      return { departure: departures[destination], platform: 12 };
    },
  },
];

const model = await loadModel(bundledModelPath());
try {
  const messages = [{ role: 'user', content: 'Is there a train to Cork?' }];
  for await (const event of model.runTools({ messages, tools, temperature: 0, reasoning: false, maxRounds: 3 })) {
    if (event.type === 'call') console.log(`calls ${event.call.name} with ${JSON.stringify(event.call.arguments)}`);
    if (event.type === 'result') console.log(`it gave ${event.result.content}`);
    if (event.type === 'end') console.log(event.content, `(${event.rounds} answers, ${event.reason})`);
  }
} finally {
  await model.dispose();
}
