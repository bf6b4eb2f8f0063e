// A value of a schema from the bundled model: it can say nothing else.
import { bundledModelPath, loadModel } from 'ingot';

const model = await loadModel(bundledModelPath());
try {
  const schema = {
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 20 },
      animal: { enum: ['fox', 'hen', 'owl'] },
      age: { type: 'integer', minimum: 0, maximum: 30 },
    },
    required: ['name', 'animal', 'age'],
  };
  const messages = [{ role: 'user', content: 'Ash is a fox of five years. Who is it?' }];
  const { value, answer } = await model.generateObject({ messages, schema, temperature: 0 });
  console.log(value, `(${answer.usage.completionTokens} tokens)`);
} finally {
  await model.dispose();
}
