import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { UseFilters } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { PassErrors } from '@touchstone/contracts';
import type { Tenant } from '@touchstone/runtime/tenant';
import { topicOf } from '../outbox/stored-event.ts';

/** Handlers of events belong to the transport of events, whichever that is: LocalTransport now, Kafka's later. */
export const eventTransport = Symbol('events');

/** What a handler gets of an event. */
export interface Received<Schema extends DescMessage> {
  /** A UUID; equal for every delivery of the event. */
  readonly eventId: string;
  readonly topic: string;
  /** Id of the aggregate; events of one key and tenant come in order. */
  readonly key: string;
  readonly tenant: Tenant;
  /** When the event was written. */
  readonly time: Date;
  readonly data: MessageShape<Schema>;
}

/**
 * Makes a controller's method the handler of an event, one in a service for each event.
 *
 * It runs inside the transaction of the event's inbox row: `Database.transaction(tenant, …)` joins it, so its effect
 * happens exactly once although the event may come more than once. It calls no model and no other service; for that it
 * adds an Operation. What it throws rolls all of it back, and the event is tried again.
 */
export const OnEvent =
  <Schema extends DescMessage>(schema: Schema) =>
  <Method extends (event: Received<Schema>) => Promise<void>>(target: object, name: string, descriptor: TypedPropertyDescriptor<Method>): void => {
    EventPattern(topicOf(schema), eventTransport, { schema })(target, name, descriptor as TypedPropertyDescriptor<any>);
    UseFilters(PassErrors)(target, name, descriptor); // Nest's own filter would hide the cause from the dead letter.
  };
