/** Which model a request is for, in every form. */
export const MODEL_PARAMETER = {
  schema: { type: 'string', minLength: 1, maxLength: 500 }, isRequired: true, about: 'Its name, or an alias: GET /v1/models lists them.',
} as const;
