import type { DescMessage, DescMethod, DescService, Message, MessageShape } from '@bufbuild/protobuf';
import type { Once } from '@touchstone/runtime/once';
import type { Caller, Tenant } from '@touchstone/runtime/tenant';

/** What a handler knows about a call beside its request. */
export interface Call {
  readonly caller: Caller;
  /** By which the caller is known, to call other services on its behalf. */
  readonly token: string;
  readonly tenant: Tenant;
  /** Milliseconds since the epoch after which nobody waits for the answer. */
  readonly deadline: number;
  /** Aborted when the caller went away or the deadline passed. */
  readonly signal: AbortSignal;
  /** Lower-case names; printable ASCII. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * For methods that are `idempotent` by contract: what their transaction needs to take effect once, undefined when the
   * caller gave no key.
   *
   * @param toAnswer the answer (`Result`) of what the transaction's work returns.
   */
  once<T>(toAnswer: (result: T) => object): Once<T> | undefined;
}

/** A message's fields, all of them, without the marks of protobuf-es: a forgotten field does not compile. */
export type Result<Schema extends DescMessage> = Plain<MessageShape<Schema>>;

type Plain<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer Element)[]
    ? readonly Plain<Element>[]
    : T extends Message
      ? { readonly [Field in keyof T as Field extends '$typeName' | '$unknown' ? never : Field]: Plain<T[Field]> }
      : T extends { case: infer Case extends string; value: infer Value }
        ? { readonly case: Case; readonly value: Plain<Value> }
        : T;

type Handler<Method> = Method extends { methodKind: 'unary'; input: infer Input extends DescMessage; output: infer Output extends DescMessage }
  ? (request: MessageShape<Input>, call: Call) => Promise<Result<Output>>
  : Method extends { methodKind: 'server_streaming'; input: infer Input extends DescMessage; output: infer Output extends DescMessage }
    ? (request: MessageShape<Input>, call: Call) => AsyncIterable<Result<Output>>
    : never;

/** The methods that a controller of a service must have. */
export type Implementation<Service extends DescService> = { [Name in keyof Service['method']]: Handler<Service['method'][Name]> };

/** Refuses the kinds of methods that no transport here carries. */
export function isStreaming(method: DescMethod): boolean {
  if (method.methodKind === 'unary') return false;
  if (method.methodKind === 'server_streaming') return true;
  throw new Error(`${method.parent.typeName}.${method.name}: only unary and server streaming methods are carried`);
}
