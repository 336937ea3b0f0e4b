import { type DescMessage, fromJson, type JsonObject, type JsonValue, type Message, type MessageShape, toJson } from '@bufbuild/protobuf';
import { Injectable, SetMetadata } from '@nestjs/common';
import type { DiscoveryService } from '@nestjs/core';
import type { Tenant } from '@touchstone/runtime/tenant';
import type { EntityManager } from 'typeorm';
import type { Progress } from '../operation.ts';

/** What a handler gets of an operation, and how it tells of its work. */
export interface OperationContext<Input = JsonObject> {
  readonly id: string;
  readonly tenant: Tenant;
  readonly input: Input;
  /** As it was last saved, here or by a worker before; undefined at the beginning. Later versions must read it too. */
  readonly checkpoint: JsonObject | undefined;
  /** Aborted when the operation is cancelled, the process stops or another worker has taken over: stop at the next good place. */
  readonly signal: AbortSignal;
  /** Tells who watches how far the work is; written with the next checkpoint, or within about a second. */
  progress(progress: Progress): void;
  /**
   * Commits a checkpoint, and `effects` with it, in one transaction of the tenant: after a crash the work goes on from
   * here, so each effect happens exactly once. Nothing is written once another worker has taken over.
   *
   * @param effects uses `transaction` for all it writes, calls no model and no other service, and awaits what it begins.
   * @throws LeaseLost, or the signal's reason when it has aborted. Let it through.
   */
  save(checkpoint: JsonObject, effects?: (transaction: EntityManager) => Promise<void>): Promise<void>;
}

/** Does one kind of operation. */
export interface OperationHandler<Input = JsonObject> {
  /**
   * Does the work from `context.checkpoint` on. It is called again after a crash.
   *
   * @returns the operation's result.
   * @throws Problem to fail for good, or, when it says `retryAfterSeconds`, to be tried again. Any other error is a bug:
   *   it is logged and tried again, and a few times later the operation fails as `internal`.
   */
  run(context: OperationContext<Input>): Promise<JsonObject>;
}

interface Declaration {
  readonly kind: string;
  readonly schema?: DescMessage;
}

const declarationKey = Symbol('operation handler');

type Handles<Input> = <Class extends new (...parameters: any[]) => OperationHandler<Input>>(target: Class) => void;

/** Makes a provider the handler of a kind, `<service>.<name>`, whose input is a message of `schema`, or JSON without one. */
export function OperationHandler(kind: string): Handles<JsonObject>;
export function OperationHandler<Schema extends DescMessage>(kind: string, schema: Schema): Handles<MessageShape<Schema>>;
export function OperationHandler(kind: string, schema?: DescMessage): Handles<any> {
  return (target) => {
    Injectable()(target);
    SetMetadata(declarationKey, { kind, schema } satisfies Declaration)(target);
  };
}

/** A handler, with the JSON of its input. */
export interface KnownHandler {
  readonly handler: OperationHandler<unknown>;
  toJson(input: JsonObject | Message): JsonValue;
  fromJson(input: JsonValue): unknown;
}

/** The handlers among the providers of a service. */
export class OperationHandlers {
  #known: Map<string, KnownHandler> | undefined;

  constructor(
    private readonly discovery: DiscoveryService,
    private readonly service: string,
  ) {}

  /** @throws Error when a kind has two handlers or another service's name. */
  kinds(): string[] {
    return [...this.#all().keys()];
  }

  /** @throws Error when there is none. */
  get(kind: string): KnownHandler {
    const known = this.#all().get(kind);
    if (!known) throw new Error(`No provider of ${this.service} is the handler of ${kind}.`);
    return known;
  }

  #all(): Map<string, KnownHandler> {
    if (this.#known) return this.#known;
    const known = new Map<string, KnownHandler>();
    for (const { metatype, instance } of this.discovery.getProviders()) {
      const declared: Declaration | undefined = typeof metatype === 'function' ? Reflect.getMetadata(declarationKey, metatype) : undefined;
      if (!declared) continue;
      const { kind, schema } = declared;
      if (!/^[a-z][a-z0-9-]{0,62}$/.test(kind.slice(this.service.length + 1)) || !kind.startsWith(`${this.service}.`)) {
        throw new Error(`${metatype!.name}: expected a kind like ${this.service}.do-this and got ${kind}.`);
      }
      if (known.has(kind)) throw new Error(`${kind} has two handlers.`);
      known.set(kind, {
        handler: instance,
        toJson: (input) => (schema ? toJson(schema, input as Message) : (input as JsonObject)),
        fromJson: (input) => (schema ? fromJson(schema, input, { ignoreUnknownFields: true }) : input),
      });
    }
    return (this.#known = known);
  }
}
