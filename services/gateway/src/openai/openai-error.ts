import type { ProblemDocument } from '../rest/problem-document.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** True on routes for clients of OpenAI: their problems carry `error` too. */
    showsOpenAiError?: boolean;
  }
}

/** An error as clients of OpenAI read it. */
export interface OpenAiError {
  readonly message: string;
  readonly type: 'invalid_request_error' | 'server_error';
  /** The part of the body that was wrong. */
  readonly param: string | null;
  /** The reason, as in the problem's `type`. */
  readonly code: string;
}

export function openAiError({ type, status, title, detail, violations }: ProblemDocument): OpenAiError {
  const [first] = violations;
  return {
    message: first ? `${detail} ${first.pointer ?? first.parameter}: ${first.detail}` : detail || title,
    type: status < 500 ? 'invalid_request_error' : 'server_error',
    param: first?.pointer?.split('/')[1] || null,
    code: type.replace('/problems/', '').replaceAll('-', '_'),
  };
}
