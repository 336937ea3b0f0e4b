import { type DynamicModule, Module } from '@nestjs/common';
import { type CallPolicy, restController, type Upstream } from './rest-controller.ts';

/** REST for services of the platform: one controller for each, made from its contract at start. */
@Module({})
export class RestModule {
  static forServices(upstreams: readonly Upstream[], policy: CallPolicy): DynamicModule {
    return { module: RestModule, controllers: upstreams.map((upstream) => restController(upstream, policy)) };
  }
}
