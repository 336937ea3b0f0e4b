import type { DescMethod, DescService } from '@bufbuild/protobuf';
import { Catch, Controller, type ExceptionFilter } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { type Observable, throwError } from 'rxjs';
import type { Implementation } from './call.ts';

/** Handlers of contracts belong to the ContractServer alone. */
export const contractTransport = Symbol('contract');

export function methodPattern(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}

/** Makes a class the controller of a service: each method of the contract is the method of that name, not one may lack. */
export const GrpcController =
  <Service extends DescService>(service: Service) =>
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a constructor's arguments are Nest's business
  <Class extends new (...parameters: any[]) => Implementation<Service>>(target: Class): void => {
    Controller()(target);
    for (const method of service.methods) {
      const descriptor = Object.getOwnPropertyDescriptor(target.prototype, method.localName);
      if (!descriptor) throw new Error(`${target.name} lacks ${method.localName}`);
      MessagePattern(methodPattern(method), contractTransport)(target.prototype, method.localName, descriptor);
      // Without these two Nest hands the request over and drops the call.
      Payload()(target.prototype, method.localName, 0);
      Ctx()(target.prototype, method.localName, 1);
    }
  };

/** Hands errors to the call chain as they are; Nest's own filter would replace them by `Internal server error`. */
@Catch()
export class PassErrors implements ExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}
