import { Controller, Get, Inject, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { log } from '@touchstone/runtime/logging';
import type { Health } from '@touchstone/runtime/lifecycle';
import type { FastifyReply } from 'fastify';

export const READINESS = Symbol('Readiness');
export type Readiness = () => Promise<readonly Health[]>;

const patienceMs = 5_000;

/** For load balancers and people; needs no key and shows no secret. */
@Controller()
export class HealthController {
  constructor(@Inject(READINESS) private readonly readiness: Readiness) {}

  /** The process answers. */
  @Get('livez')
  @RouteConfig({ isPublic: true })
  live(): { status: string } {
    return { status: 'live' };
  }

  /** 200 when every part can do its work, else 503; says for each what is missing. */
  @Get('readyz')
  @RouteConfig({ isPublic: true })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<{ status: string; parts: readonly Health[] }> {
    const parts = await this.parts();
    const isReady = parts.every((part) => part.isReady);
    void reply.status(isReady ? 200 : 503);
    return { status: isReady ? 'ready' : 'not-ready', parts };
  }

  private async parts(): Promise<readonly Health[]> {
    const { promise: late, resolve } = Promise.withResolvers<readonly Health[]>();
    const timer = setTimeout(() => resolve([{ part: 'readiness', isReady: false, detail: `a part did not answer in ${patienceMs / 1000} s` }]), patienceMs);
    try {
      return await Promise.race([this.readiness(), late]);
    } catch (error) {
      log.error({ err: error }, 'readiness failed');
      return [{ part: 'readiness', isReady: false, detail: 'the check itself failed and was logged' }];
    } finally {
      clearTimeout(timer);
    }
  }
}
