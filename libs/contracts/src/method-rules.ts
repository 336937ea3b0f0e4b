import { type DescField, type DescMethod, getOption, hasOption } from '@bufbuild/protobuf';
import { http } from '../gen/google/api/annotations_pb.ts';
import type { HttpRule } from '../gen/google/api/http_pb.ts';
import { policy } from '../gen/touchstone/api/v1/policy_pb.ts';

/** What a method's options in proto/ say. */
export interface MethodRules {
  /** The scope that a caller needs. */
  readonly scope: string;
  readonly successStatus: number;
  /** Whether the method takes effect once under an idempotency key. */
  readonly isIdempotent: boolean;
  /** For streams: the field of the request that takes the id of the last event that was seen. */
  readonly lastEventField?: DescField;
  /** Path of what the answer names, `{id}` for its field `id`. */
  readonly location?: string;
  /** Absent for methods that the gateway does not show. */
  readonly http?: HttpRule;
}

const known = new WeakMap<DescMethod, MethodRules>();

/** Reads the options once; protobuf-es would decode them on every look. */
export function methodRules(method: DescMethod): MethodRules {
  let rules = known.get(method);
  if (!rules) {
    if (!hasOption(method, policy)) throw new Error(`${method.parent.typeName}.${method.name} has no (policy) option`);
    const { scope, successStatus, idempotent, lastEventField, location } = getOption(method, policy);
    rules = {
      scope,
      successStatus: successStatus || 200,
      isIdempotent: idempotent,
      ...(lastEventField ? { lastEventField: fieldOf(method, lastEventField) } : {}),
      ...(location ? { location } : {}),
      ...(hasOption(method, http) ? { http: getOption(method, http) } : {}),
    };
    known.set(method, rules);
  }
  return rules;
}

function fieldOf({ input, parent, name }: DescMethod, fieldName: string): DescField {
  const field = input.fields.find((each) => each.name === fieldName);
  if (!field) throw new Error(`${parent.typeName}.${name}: there is no field ${fieldName} in its request`);
  return field;
}
