import type { PathsByHand } from '../openapi/document.ts';

const text = { type: 'string', minLength: 1, maxLength: 20_000 };

/** The route of embeddings.controller.ts as OpenAPI describes it. */
export const embeddingsPaths: PathsByHand = (problems) => ({
  '/v1/embeddings': {
    post: {
      operationId: 'Embeddings.Create',
      tags: ['Embeddings'],
      summary: 'Vectors of texts, in OpenAI’s form',
      description:
        'For programs that were written for OpenAI. Problems carry `error` too, as its clients read it. Texts that are too long for the model lose their end. Needs a key with the scope `embeddings:read`.',
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: {
              type: 'object',
              properties: {
                model: { type: 'string', minLength: 1, maxLength: 200, description: '`embed-text`, or another model of texts that was pulled (`touchstone models list`), by name or version.' },
                input: { description: 'One text or several.', oneOf: [text, { type: 'array', items: text, minItems: 1, maxItems: 256 }] },
                encoding_format: { type: 'string', enum: ['float', 'base64'], description: '`base64` are little-endian 32-bit floats.' },
                dimensions: { type: 'integer', minimum: 1, description: 'Refused (422) unless it is the model’s own or one that it was trained to be cut to.' },
                user: { type: 'string', description: 'Taken and not used.' },
              },
              required: ['model', 'input'],
              additionalProperties: false,
            },
          },
        },
      },
      responses: {
        200: {
          description: 'One vector for each text, in their order, each of length 1.',
          content: {
            'application/json': {
              schema: {
                type: 'object',
                properties: {
                  object: { const: 'list' },
                  data: {
                    type: 'array',
                    items: {
                      type: 'object',
                      properties: { object: { const: 'embedding' }, index: { type: 'integer' }, embedding: { oneOf: [{ type: 'array', items: { type: 'number' } }, { type: 'string' }] } },
                      required: ['object', 'index', 'embedding'],
                      additionalProperties: false,
                    },
                  },
                  model: { type: 'string', description: 'Version of the model; vectors of another one are not comparable.' },
                  usage: {
                    type: 'object',
                    description: 'Tokens that the model read, with those at both ends.',
                    properties: { prompt_tokens: { type: 'integer' }, total_tokens: { type: 'integer' } },
                    required: ['prompt_tokens', 'total_tokens'],
                    additionalProperties: false,
                  },
                },
                required: ['object', 'data', 'model', 'usage'],
                additionalProperties: false,
              },
            },
          },
        },
        ...problems(true),
      },
    },
  },
});
