import { Controller, Get, Inject, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { type Health, partsWithin } from '@touchstone/runtime/lifecycle';
import type { FastifyReply } from 'fastify';

export const READINESS = Symbol('Readiness');
export type Readiness = () => Promise<readonly Health[]>;

const patienceMs = 5_000;
/** Shorter than a probe waits: a part that is silent is no reason to end the process. */
const livePatienceMs = 3_000;

/** For load balancers and people; needs no key and shows no secret. */
@Controller()
export class HealthController {
  constructor(@Inject(READINESS) private readonly readiness: Readiness) {}

  /** 503 when only a restart helps. */
  @Get('livez')
  @RouteConfig({ isPublic: true })
  async live(@Res({ passthrough: true }) reply: FastifyReply): Promise<{ status: string; parts?: readonly Health[] }> {
    const dead = (await partsWithin(livePatienceMs, this.readiness)).filter(({ isLive = true }) => !isLive);
    if (dead.length === 0) return { status: 'live' };
    void reply.status(503);
    return { status: 'not-live', parts: dead };
  }

  /** 200 when every part can do its work, else 503; says for each what is missing. */
  @Get('readyz')
  @RouteConfig({ isPublic: true })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<{ status: string; parts: readonly Health[] }> {
    const parts = await partsWithin(patienceMs, this.readiness);
    const isReady = parts.every((part) => part.isReady);
    void reply.status(isReady ? 200 : 503);
    return { status: isReady ? 'ready' : 'not-ready', parts };
  }
}
